import {
  GroupAddDocument,
  type GroupAddInput,
  GroupDelDocument,
  GroupEditMembersDocument,
  type GroupEditMembersInput,
  GroupSetDocument,
  type GroupSetInput,
} from '../../src/generated/operations.ts';
import type { Caller } from '../setup/gateway.ts';

/** A payload, or the test fails. */
function payload<T extends { __typename: string }>(result: T) {
  if (!result.__typename.endsWith('Payload')) throw new Error(`Refused: ${JSON.stringify(result)}`);
  return result as Extract<T, { cursor: unknown }>;
}

export async function addGroup(caller: Caller, input: GroupAddInput = {}) {
  const { cursor, group } = payload((await caller.call(GroupAddDocument, { input })).groupAdd);
  return { gid: group.gid, cursor, group };
}

export async function editMembers(caller: Caller, input: GroupEditMembersInput) {
  return payload((await caller.call(GroupEditMembersDocument, { input })).groupEditMembers);
}

export async function setGroup(caller: Caller, input: GroupSetInput) {
  return payload((await caller.call(GroupSetDocument, { input })).groupSet);
}

export async function deleteGroup(caller: Caller, gid: string) {
  return payload((await caller.call(GroupDelDocument, { input: { gid } })).groupDel);
}

export const addresses = (count: number, prefix = 'member') =>
  Array.from({ length: count }, (_, index) => `${prefix}${String(index).padStart(6, '0')}`);
