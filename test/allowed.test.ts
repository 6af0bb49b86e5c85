import { beforeAll, describe, expect, test } from 'vitest';
import { AllowedDocument, GroupEditMembersDocument, GroupSetDocument, MembersDocument } from '../src/generated/operations.ts';
import { addGroup, refusals } from './setup/asking.ts';
import { openTestGateway } from './setup/gateway.ts';

const gateway = await openTestGateway();
const app = await gateway.caller();

describe('the pages of allowed', () => {
  let gid: string;
  beforeAll(async () => {
    gid = await addGroup(app, {
      permissions: { pub: 'SELECTED' },
      members: [
        { addresses: ['b', 'd', 'f', 'h'] },
        { addresses: ['a', 'c', 'e', 'g'], permissions: { pub: false } },
        { addresses: ['i', 'k'], permissions: { send: false } },
      ],
    });
  });

  test('have the cursors of Group.members by address', async () => {
    const { groupGetMembers } = await app.call(MembersDocument, { gid });
    const cursors = new Map(groupGetMembers?.edges.map(({ node, cursor }) => [node.address, cursor]));
    const { group } = await app.call(AllowedDocument, { gid, action: 'PUB', first: 2, after: cursors.get('c') });
    const page = group?.allowed;
    expect(page?.edges).toEqual([
      { cursor: cursors.get('d'), node: { address: 'd' } },
      { cursor: cursors.get('f'), node: { address: 'f' } },
    ]);
    expect(page?.pageInfo).toEqual({
      hasNextPage: true,
      hasPreviousPage: true,
      startCursor: cursors.get('d'),
      endCursor: cursors.get('f'),
    });
    const { groupGetMembers: after } = await app.call(MembersDocument, { gid, after: page?.pageInfo.endCursor });
    expect(after?.edges.map(({ node }) => node.address)).toEqual(['g', 'h', 'i', 'k']);
  });

  test('say truly what lies around them', async () => {
    const around = async (first: number, after: string | undefined, except?: string) => {
      const { groupGetMembers } = await app.call(MembersDocument, { gid, filter: { addresses: [after ?? 'a'] } });
      const cursor = after && groupGetMembers?.edges[0]?.cursor;
      const { group } = await app.call(AllowedDocument, { gid, action: 'PUB', first, after: cursor, except });
      return [group?.allowed.pageInfo.hasPreviousPage, group?.allowed.pageInfo.hasNextPage];
    };
    expect(await around(6, undefined)).toEqual([false, false]);
    expect(await around(5, undefined)).toEqual([false, true]);
    expect(await around(5, undefined, 'h')).toEqual([false, false]);
    // Behind a, which is no one of them: nobody comes before.
    expect(await around(6, 'a')).toEqual([false, false]);
    expect(await around(1, 'b')).toEqual([true, true]);
    expect(await around(1, 'b', 'b')).toEqual([false, true]);
    expect(await around(1, 'k')).toEqual([true, false]);
  });

  test('say so too of a message type that only selected members send', async () => {
    await app.call(GroupSetDocument, { input: { gid, messageType: 7, permissions: { send: 'SELECTED' } } });
    const entries = { gid, messageType: 7, add: [{ addresses: ['b', 'f'] }, { addresses: ['d'], permissions: { send: false } }] };
    await app.call(GroupEditMembersDocument, { input: entries });
    const around = async (after: string) => {
      const { groupGetMembers } = await app.call(MembersDocument, { gid, filter: { addresses: [after] } });
      const cursor = groupGetMembers?.edges[0]?.cursor;
      const { group } = await app.call(AllowedDocument, { gid, action: 'SEND', messageType: 7, first: 1, after: cursor });
      return [group?.allowed.edges.map(({ node }) => node.address), group?.allowed.pageInfo.hasPreviousPage];
    };
    expect(await around('a')).toEqual([['b'], false]);
    expect(await around('b')).toEqual([['f'], true]);
    expect(await around('d')).toEqual([['f'], true]);
    expect(await around('k')).toEqual([[], true]);
  });

  test('a cursor of another group or list is refused', async () => {
    const other = await addGroup(app, { members: [{ addresses: ['a', 'b'] }] });
    const { group } = await app.call(AllowedDocument, { gid: other, action: 'SEND', first: 1 });
    const query =
      'query ($gid: ID!, $after: String) { group(gid: $gid) { allowed(action: SEND, after: $after) { edges { cursor } } } }';
    const refused = [['INVALID_INPUT', [['after']]]];
    expect(await refusals(app, query, { gid, after: group?.allowed.pageInfo.endCursor })).toEqual(refused);
    const { groupGetMembers } = await app.call(MembersDocument, { gid, orderBy: { field: 'JOINED_AT', direction: 'ASC' } });
    expect(await refusals(app, query, { gid, after: groupGetMembers?.pageInfo.endCursor })).toEqual(refused);
  });
});
