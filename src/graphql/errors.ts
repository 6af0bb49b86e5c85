import { GraphQLError } from 'graphql';
import {
  ClientGoneError,
  DomainError,
  GroupNotFoundError,
  IdempotencyConflictError,
  type InputIssue,
  InvalidInputError,
  LastOwnerError,
  NotAllowedError,
  NotAMemberError,
  OverloadedError,
  RateLimitedError,
  TimeoutError,
  TokenNotFoundError,
  UnauthenticatedError,
  VersionConflictError,
} from '../model/errors.ts';
import { MAX_ISSUES } from '../model/issues.ts';
import { builder } from './builder.ts';
import { priced } from './price/field-price.ts';

const ErrorCode = builder.enumType('ErrorCode', {
  description: 'The kinds of typed errors.',
  values: {
    INVALID_INPUT: { description: 'A value of the input is wrong; `issues` says which.' },
    GROUP_NOT_FOUND: { description: 'There is no such group, or the viewer may not see it.' },
    NOT_ALLOWED: { description: 'The token lacks a scope, or the user a right.' },
    VERSION_CONFLICT: { description: 'The group is not at the version that `ifVersion` names.' },
    IDEMPOTENCY_CONFLICT: { description: 'The idempotency key was used with another input.' },
    LAST_OWNER: { description: 'The last owner can neither leave nor give up ownership.' },
    NOT_A_MEMBER: { description: 'An address that must be a member is not.' },
    MESSAGE_REFUSED: { description: 'The sender may not send the message; `decision` says why.' },
    TOKEN_NOT_FOUND: { description: 'The app has no such token, or it was revoked already.' },
  } as const,
});

export const ErrorInterface = builder.interfaceRef<DomainError>('Error').implement({
  description: 'An answer that the caller can act on. Nothing was written.',
  fields: (t) => ({
    code: t.field({
      type: ErrorCode,
      description: 'The kind of error, the same for all errors of a type.',
      resolve: ({ code }) => code as 'INVALID_INPUT',
    }),
    message: t.exposeString('message', { description: 'What went wrong, in English, for a log or a developer.' }),
  }),
});

const Issue = builder.objectRef<InputIssue>('InputIssue').implement({
  description: 'What is wrong with one value of the input.',
  fields: (t) => ({
    path: t.exposeStringList('path', {
      extensions: priced({ items: 10 }),
      description: 'Where the value stands, from the argument on, like `["input", "members", "0", "addresses", "3"]`.',
    }),
    message: t.exposeString('message', { description: 'What is wrong with it, and what is allowed.' }),
  }),
});

builder.objectType(InvalidInputError, {
  name: 'InvalidInput',
  description: 'One or more values of the input are wrong.',
  interfaces: [ErrorInterface],
  fields: (t) => ({
    issues: t.field({
      type: [Issue],
      extensions: priced({ items: MAX_ISSUES, usually: 1 }),
      description: 'Each wrong value with its path; at most 100.',
      resolve: ({ issues }) => [...issues],
    }),
  }),
});

builder.objectType(GroupNotFoundError, {
  name: 'GroupNotFound',
  description: 'There is no such group, or the viewer may not see it: a caller cannot tell which.',
  interfaces: [ErrorInterface],
  fields: (t) => ({ gid: t.exposeID('gid', { description: 'The gid as it was given.', extensions: priced({ echo: true }) }) }),
});

builder.objectType(NotAllowedError, {
  name: 'NotAllowed',
  description: 'The token lacks a scope, or the user a right.',
  interfaces: [ErrorInterface],
  fields: (t) => ({
    right: t.exposeString('right', {
      description: 'The scope or the right that is missing; "application": only an application token may do this.',
    }),
  }),
});

builder.objectType(VersionConflictError, {
  name: 'VersionConflict',
  description: 'The group changed since the version that `ifVersion` names.',
  interfaces: [ErrorInterface],
  fields: (t) => ({ currentVersion: t.exposeInt('currentVersion', { description: "The group's version now." }) }),
});

builder.objectType(IdempotencyConflictError, {
  name: 'IdempotencyConflict',
  description: 'The idempotency key was used with another input, within 24 hours; the id of a message within 10 minutes.',
  interfaces: [ErrorInterface],
});

builder.objectType(LastOwnerError, {
  name: 'LastOwner',
  description: 'The last owner can neither leave nor give up ownership.',
  interfaces: [ErrorInterface],
});

builder.objectType(NotAMemberError, {
  name: 'NotAMember',
  description: 'Addresses that must be members, or must have an entry for the message type, are not or have none.',
  interfaces: [ErrorInterface],
  fields: (t) => ({
    addresses: t.field({
      type: ['String'],
      description: 'The addresses in question; at most 100.',
      extensions: priced({ items: 100 }),
      resolve: ({ addresses }) => [...addresses],
    }),
  }),
});

builder.objectType(TokenNotFoundError, {
  name: 'TokenNotFound',
  description: 'The app has no such token, or it was revoked already.',
  interfaces: [ErrorInterface],
});

export function unauthenticated(): GraphQLError {
  return new GraphQLError('A valid token is needed: send the header "Authorization: Bearer …"', {
    extensions: { code: 'UNAUTHENTICATED', http: { status: 401, headers: { 'WWW-Authenticate': 'Bearer' } } },
  });
}

/** What the caller gets of an error that is not in a result union; undefined: it must be masked. */
export function publicError(error: unknown): { message: string; extensions: Record<string, unknown> } | undefined {
  if (error instanceof InvalidInputError)
    return { message: error.message, extensions: { code: error.code, issues: error.issues } };
  if (error instanceof NotAllowedError) return { message: error.message, extensions: { code: error.code, right: error.right } };
  if (error instanceof UnauthenticatedError) return { message: error.message, extensions: unauthenticated().extensions };
  if (error instanceof DomainError) return { message: error.message, extensions: { code: error.code } };
  if (error instanceof ClientGoneError) return { message: error.message, extensions: { code: 'CLIENT_GONE' } };
  if (error instanceof TimeoutError) return { message: error.message, extensions: { code: 'TIMEOUT' } };
  if (error instanceof RateLimitedError) {
    const { message, retryAfter } = error;
    const http = { status: 429, headers: { 'Retry-After': String(retryAfter) } };
    return { message, extensions: { code: 'RATE_LIMITED', retryAfter, http } };
  }
  if (error instanceof OverloadedError) {
    return { message: error.message, extensions: { code: 'OVERLOADED', http: { status: 503, headers: { 'Retry-After': '1' } } } };
  }
  return undefined;
}
