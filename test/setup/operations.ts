/**
 * The four operations as functions of a caller:
 *
 *     const { make, edit } = operationsOf(caller);
 *     const { gid } = await make({ name: 'Team' });
 *     const { added } = answered(await edit({ gid, add: [{ addresses: ['anna'] }] }), 'GroupEditMembersPayload');
 */
import { expect } from 'vitest';
import {
  GroupAddDocument,
  type GroupAddInput,
  GroupByGidDocument,
  GroupDelDocument,
  type GroupDelInput,
  GroupEditMembersDocument,
  type GroupEditMembersInput,
  type GroupFieldsFragment,
  GroupSetDocument,
  type GroupSetInput,
  type MemberFieldsFragment,
  MembersDocument,
} from '../../src/generated/operations.ts';
import type { Caller } from './gateway.ts';

type Result = { __typename: string };

/** The result, which must be of this type. */
export function answered<R extends Result, T extends R['__typename']>(result: R, type: T): Extract<R, { __typename: T }> {
  // The whole result, so that a failure shows what it was.
  expect(result).toMatchObject({ __typename: type });
  return result as Extract<R, { __typename: T }>;
}

/** The dotted paths of the input's issues in alphabetical order; the result must be InvalidInput. */
export function issuePaths(result: Result): string[] {
  expect(result).toMatchObject({ __typename: 'InvalidInput', code: 'INVALID_INPUT' });
  const { issues } = result as unknown as { issues: { path: string[]; message: string }[] };
  for (const { message } of issues) expect(message).not.toBe('');
  return issues.map(({ path }) => path.join('.')).sort();
}

export function operationsOf(caller: Caller) {
  const add = async (input: GroupAddInput) => (await caller.call(GroupAddDocument, { input })).groupAdd;
  const set = async (input: GroupSetInput) => (await caller.call(GroupSetDocument, { input })).groupSet;
  const del = async (input: GroupDelInput) => (await caller.call(GroupDelDocument, { input })).groupDel;
  const edit = async (input: GroupEditMembersInput) => (await caller.call(GroupEditMembersDocument, { input })).groupEditMembers;
  return {
    add,
    set,
    del,
    edit,
    /** Makes a group. */
    make: async (input: GroupAddInput = {}): Promise<GroupFieldsFragment> => answered(await add(input), 'GroupAddPayload').group,
    /** Changes a group; this must succeed. */
    change: async (input: GroupSetInput): Promise<GroupFieldsFragment> => answered(await set(input), 'GroupSetPayload').group,
    /** The group as it is now. */
    read: async (gid: string): Promise<GroupFieldsFragment> => {
      const { group } = await caller.call(GroupByGidDocument, { gid });
      if (!group) throw new Error(`There is no group ${gid}`);
      return group;
    },
    /** Up to 1,000 members in the order of joining. */
    members: async (gid: string): Promise<MemberFieldsFragment[]> => {
      const orderBy = { field: 'JOINED_AT', direction: 'ASC' } as const;
      const { groupGetMembers } = await caller.call(MembersDocument, { gid, first: 1000, orderBy });
      if (!groupGetMembers) throw new Error(`There is no group ${gid}`);
      return groupGetMembers.edges.map(({ node }) => node);
    },
  };
}
