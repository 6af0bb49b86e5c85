/** What there is to be found: an app whose groups and tokens are named in requests, and another that no answer may tell of. */
import { addApp } from '../../src/access/apps.ts';
import { hashSecret, newSecret } from '../../src/access/tokens.ts';
import type { Database } from '../../src/db/client.ts';
import type { Names, Token } from './names.ts';

export interface World {
  names: Names;
  /** The application token alone, for those that are to be let in. */
  application: Token;
  /** Stands in all that the other app has. */
  canary: string;
  /** Asks the other app for all that it has: the answer is always the same. */
  probe(): Promise<string>;
}

type Ask = (token: string, query: string, variables?: object) => Promise<Record<string, unknown>>;

function asker(port: number): Ask {
  return async (token, query, variables) => {
    const response = await fetch(`http://127.0.0.1:${port}/graphql`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${token}` },
      body: JSON.stringify({ query, variables }),
    });
    const answer = (await response.json()) as Record<string, unknown>;
    if (answer['errors']) throw new Error(JSON.stringify(answer));
    return answer;
  };
}

const ADD = 'mutation ($input: GroupAddInput!) { groupAdd(input: $input) { ... on GroupAddPayload { group { gid } } } }';
const DELETE = 'mutation ($gid: ID!) { groupDel(input: { gid: $gid }) { __typename } }';
const TYPE = `mutation ($gid: ID!) { groupSet(input: { gid: $gid, messageType: 7, permissions: { send: SELECTED } }) { __typename }
  groupEditMembers(input: { gid: $gid, messageType: 7, add: [{ addresses: ["ann", "dan"] }] }) { __typename } }`;
const TOKEN = `mutation ($input: TokenAddInput!) { tokenAdd(input: $input) { ... on TokenAddPayload { secret token { id } } } }`;
const ALL = `{ viewer { app { name } scopes } users { edges { node { address uid } } } tokens { edges { node { label address } } }
  groups { edges { node { gid name version memberCount flags members { edges { node { address } } } } } } }`;

/** @param port of a gateway on that database */
export async function createWorld(db: Database, port: number, name: string): Promise<World> {
  const ask = asker(port);
  const secret = await addApp(db, name);
  const add = async (token: string, input: object) => {
    const { data } = (await ask(token, ADD, { input })) as { data: { groupAdd: { group: { gid: string } } } };
    return data.groupAdd.group.gid;
  };
  const token = async (of: string, input: object) => {
    const { data } = (await ask(of, TOKEN, { input })) as { data: { tokenAdd: { secret: string; token: { id: string } } } };
    return { secret: data.tokenAdd.secret, id: data.tokenAdd.token.id };
  };
  const everyone = [
    { addresses: ['ann'], admin: { owner: true } },
    { addresses: ['bob', 'cem'], permissions: { send: false }, admin: { addUser: true } },
    { addresses: ['dan', '😀'] },
  ];
  const gid = await add(secret, { name: 'Team', members: everyone });
  const typed = await add(secret, { name: 'Typed', members: everyone });
  await ask(secret, TYPE, { gid: typed });
  const hunt = await add(secret, { name: 'Hunt', permissions: { send: 'ANYONE', recv: 'ROUND_ROBIN' }, members: everyone });
  const gone = await add(secret, { name: 'Gone' });
  await ask(secret, DELETE, { gid: gone });

  const canary = `canary${name}`;
  const other = await addApp(db, canary);
  const foreign = await add(other, { name: `${canary} group`, members: [{ addresses: [`${canary}@x`, 'ann'] }] });
  await token(other, { address: `${canary}@x`, label: canary });
  const probe = async () => JSON.stringify(await ask(other, ALL));

  const users = { ann: await token(secret, { address: 'ann' }), bob: await token(secret, { address: 'bob' }) };
  const stranger = await token(secret, { address: 'stranger' });
  const reads = await token(secret, { scopes: ['READ'] });
  const revoked = await token(secret, { address: 'dan' });
  await ask(secret, 'mutation ($id: ID!) { tokenRevoke(id: $id) { __typename } }', { id: revoked.id });
  const expired = newSecret();
  const { appId } = await db.prisma.token.findUniqueOrThrow({ where: { hash: new Uint8Array(hashSecret(secret)) } });
  await db.prisma.token.create({
    data: { appId, hash: new Uint8Array(hashSecret(expired)), address: 'ann', scopes: 1, expiresAt: new Date(0) },
  });

  const bearer = (what: string, of: string): Token => ({ name: what, authorization: `Bearer ${of}` });
  const application = bearer('APPLICATION', secret);
  const id = (...parts: string[]) => Buffer.from(parts.join(':')).toString('base64');
  return {
    application,
    canary,
    probe,
    names: {
      gids: [...[gid, gid, gid, typed, typed, hunt, hunt, gone, foreign], ...['0', '-1', '99999999', '01000', '1e3', 'x', '']],
      addresses: [
        ...['ann', 'ann', 'bob', 'bob', 'cem', 'dan', 'stranger', 'new', '😀'],
        ...['', ' ', 'a,b', 'x'.repeat(257), 'a\0', '*'],
      ],
      ids: [
        ...[
          id('Group', gid),
          id('Group', hunt),
          id('Group', foreign),
          id('Member', gid, 'ann'),
          id('User', 'bob'),
          id('Viewer', '1'),
        ],
        ...[users.bob.id, stranger.id, id('Member', foreign, 'ann'), id('Nothing', '1'), id('Group', 'x'), 'x', '', id('Group')],
      ],
      tokens: [
        ...[application, application, application, bearer('READS', reads.secret)],
        ...[bearer('ANN', users.ann.secret), bearer('BOB', users.bob.secret), bearer('STRANGER', stranger.secret)],
        ...[bearer('EXPIRED', expired), bearer('REVOKED', revoked.secret), { name: 'NOBODY', authorization: undefined }],
        { name: 'WRONG', authorization: 'Bearer rollcall_wrong' },
        { name: 'BASIC', authorization: 'Basic YTpi' },
        { name: 'LONG', authorization: `Bearer ${'t'.repeat(5_000)}` },
      ],
    },
  };
}
