/** Lists in forms that no other file asks of both databases, so that `test/last` finds each on both. */
import { expect, test } from 'vitest';
import { openTestGateway } from './setup/gateway.ts';
import { addGroup, setGroup } from './watching/setup.ts';

const gateway = await openTestGateway();
const app = await gateway.caller();
const ADDRESSES = ['u1', 'u2', 'u3', 'v1'];
for (const address of ADDRESSES) await tokenOf(address, `of ${address}`);

async function tokenOf(address: string, label: string): Promise<void> {
  const add = 'mutation ($input: TokenAddInput!) { tokenAdd(input: $input) { __typename } }';
  expect((await app.send(add, { input: { address, label } })).data?.tokenAdd.__typename).toBe('TokenAddPayload');
}

interface Users {
  users: { address: string }[];
  userscount: number;
}

async function usersget(parameters: object): Promise<[addresses: string[], count: number]> {
  const body = JSON.stringify({ op: 'usersget', token: app.token, ...parameters });
  const answer = await gateway.fetch(new Request('http://gateway/backend', { method: 'POST', body }));
  const { users, userscount } = (await answer.json()) as Users;
  return [users.map(({ address }) => address), userscount];
}

test.each([
  [{ addr: 'u*', after: 'u1' }, ['u2', 'u3'], 3],
  [{ addr: 'u2' }, ['u2'], 1],
  [{ addr: 'u2', after: 'u1' }, ['u2'], 1],
  [{ addr: 'u2', after: 'u2' }, [], 1],
])('usersget %j', async (parameters, addresses, count) => {
  expect(await usersget(parameters)).toEqual([addresses, count]);
});

test('users, tokens and groups from their end', async () => {
  const gids: string[] = [];
  for (let n = 0; n < 2; n++) gids.push((await addGroup(app, { members: [{ addresses: ['u1'] }] })).gid);
  await tokenOf('u1', 'a second');
  const { data, errors } = await app.send(`{
    users(last: 2, filter: { addressStartsWith: "u" }) { edges { node { address } } pageInfo { hasPreviousPage } }
    user(address: "u1") {
      tokens(last: 1) { edges { node { label } } pageInfo { hasPreviousPage } }
      groups(first: 5, orderBy: { field: GID, direction: DESC }) { edges { node { gid } } }
    }
  }`);
  expect(errors).toBeUndefined();
  expect(data).toEqual({
    users: { edges: ['u2', 'u3'].map((address) => ({ node: { address } })), pageInfo: { hasPreviousPage: true } },
    user: {
      tokens: { edges: [{ node: { label: 'a second' } }], pageInfo: { hasPreviousPage: true } },
      groups: { edges: gids.toReversed().map((gid) => ({ node: { gid } })) },
    },
  });
});

test('the history of a member, without what was changed and with it', async () => {
  const { gid } = await addGroup(app, { members: [{ addresses: ['u1'] }] });
  await setGroup(app, { gid, name: 'second' });
  const member = await app.user('u1');
  const changes = async (fields: string) => {
    const { data } = await member.send(`{ group(gid: "${gid}") { changes { edges { node { version ${fields} } } } } }`);
    return data?.group.changes.edges.map(({ node }: { node: object }) => node);
  };
  expect(await changes('')).toEqual([{ version: 2 }, { version: 3 }]);
  expect(await changes('... on GroupUpdated { settings { name } }')).toEqual([
    { version: 2 },
    { version: 3, settings: { name: 'second' } },
  ]);
});
