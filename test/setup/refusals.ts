/** The refusals that all operations have in common. Each expects that nothing was written. */
import type { TypedDocumentNode } from '@graphql-typed-document-node/core';
import { type DocumentNode, print } from 'graphql';
import { expect } from 'vitest';
import { hashSecret, newSecret } from '../../src/access/tokens.ts';
import { SCOPES, type Scope, scopeBits, type Viewer } from '../../src/access/viewer.ts';
import type { Database } from '../../src/db/client.ts';
import type { Gateway } from '../../src/gateway.ts';
import type { Caller, TestGateway } from './gateway.ts';
import { rowsOf, writesNothing } from './rows.ts';

/** The whole answer to a request with this Authorization header, or none. */
export async function sendAs(gateway: Gateway, authorization: string | undefined, query: DocumentNode, variables: object) {
  const headers = { 'Content-Type': 'application/json', ...(authorization ? { Authorization: authorization } : {}) };
  const body = JSON.stringify({ query: print(query), variables });
  const response = await gateway.fetch(new Request('http://gateway/graphql', { method: 'POST', headers, body }));
  return { status: response.status, body: await response.json() };
}

/** Another application token of the viewer's app. */
export async function applicationToken(db: Database, { appId }: Viewer, scopes: readonly Scope[]): Promise<string> {
  const secret = newSecret();
  await db.prisma.token.create({ data: { appId, hash: new Uint8Array(hashSecret(secret)), scopes: scopeBits(scopes) } });
  return secret;
}

/** Gids that no group of a test has; most are not even well-formed. */
export const NO_GIDS = [
  '9007199254740991',
  '9007199254740992',
  '9223372036854775807',
  '9223372036854775808',
  '18446744073709552616',
  '99999999999999999999999999',
  '999',
  '0',
  '-1',
  '-1000',
  '',
  ' ',
  'abc',
  '1e3',
  '0x3e8',
  '1000.0',
  '١٠٠٠',
  '1000\0',
  "1000'; drop table groups --",
];

/** Without a valid token: HTTP 401, UNAUTHENTICATED, no data. */
export async function expectUnauthenticated<V>(gateway: TestGateway, { viewer }: Caller, query: DocumentNode, variables: V) {
  const expired = newSecret();
  const data = { appId: viewer.appId, hash: new Uint8Array(hashSecret(expired)), scopes: 15, expiresAt: new Date(0) };
  await gateway.db.prisma.token.create({ data });
  for (const authorization of [undefined, 'Bearer nonsense', `Bearer ${newSecret()}`, 'Basic YTpi', `Bearer ${expired}`]) {
    const { status, body } = await writesNothing(gateway.db, viewer, () =>
      sendAs(gateway, authorization, query, variables as object),
    );
    expect(status).toBe(401);
    expect(body.data).toBeUndefined();
    expect(body.errors).toHaveLength(1);
    expect(body.errors[0].extensions.code).toBe('UNAUTHENTICATED');
  }
}

/** With every scope except this one: NotAllowed that names it, for an application and for a user. */
export async function expectScopeNeeded<V>(
  gateway: TestGateway,
  caller: Caller,
  scope: Scope,
  query: DocumentNode,
  variables: V,
) {
  const others = SCOPES.filter((other) => other !== scope);
  const application = await applicationToken(gateway.db, caller.viewer, others);
  const { token: user } = await caller.user('scopeless', others);
  for (const token of [application, user]) {
    const { body } = await writesNothing(gateway.db, caller.viewer, () =>
      sendAs(gateway, `Bearer ${token}`, query, variables as object),
    );
    expect(body.errors).toBeUndefined();
    const [result] = Object.values(body.data);
    expect(result).toEqual({ __typename: 'NotAllowed', code: 'NOT_ALLOWED', message: `This needs ${scope}`, right: scope });
  }
}

/** Gids that are missing, malformed, of another app's group or of a deleted group all get the same answer. */
export async function expectNotFound<Data, V extends object>(
  gateway: TestGateway,
  caller: Caller,
  elsewhere: { gid: string; appId: number; deleted: string },
  query: TypedDocumentNode<Data, V>,
  variables: (gid: string) => V,
) {
  const foreign = await rowsOf(gateway.db, elsewhere.appId);
  expect(foreign.groups).not.toEqual([]);
  for (const gid of [...NO_GIDS, elsewhere.gid, elsewhere.deleted]) {
    const data = await writesNothing(gateway.db, caller.viewer, () => caller.call(query, variables(gid)));
    const [result] = Object.values(data as object);
    expect(result).toEqual({ __typename: 'GroupNotFound', code: 'GROUP_NOT_FOUND', message: 'There is no such group', gid });
  }
  expect(await rowsOf(gateway.db, elsewhere.appId)).toEqual(foreign);
}
