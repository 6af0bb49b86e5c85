/**
 * Every field of the schema, asked for with a token of each single scope, by a stranger, and by another app. What the group
 * holds bears a mark: an answer that has none tells nothing of it. A new field is walked without being named here, but
 * that a new root field has to say which scope it needs.
 */
import { isObjectType } from 'graphql';
import { beforeAll, describe, expect, test } from 'vitest';
import { SCOPES, type Scope } from '../src/access/viewer.ts';
import { GroupAddDocument, GroupEditMembersDocument, GroupSetDocument } from '../src/generated/operations.ts';
import { schema } from '../src/graphql/schema.ts';
import { everythingBelow, type Kind, rootFields } from './setup/everything.ts';
import { type Caller, openTestGateway } from './setup/gateway.ts';
import { groupState } from './setup/group-state.ts';

/** By hand from the specification: the scope that each root field needs. */
const NEEDS: Record<string, Scope> = {
  viewer: 'READ',
  group: 'READ',
  groups: 'READ',
  groupGetMembers: 'READ',
  permissions: 'READ',
  node: 'READ',
  nodes: 'READ',
  tokens: 'TOKENS',
  users: 'TOKENS',
  user: 'TOKENS',
  groupAdd: 'CREATE_GROUPS',
  groupSet: 'WRITE',
  groupDel: 'WRITE',
  groupEditMembers: 'WRITE',
  groupRouteMessage: 'WRITE',
  tokenAdd: 'TOKENS',
  tokenRevoke: 'TOKENS',
  tokenRevokeAll: 'TOKENS',
  userDel: 'TOKENS',
  groupChanges: 'READ',
  membershipChanges: 'READ',
  appChanges: 'READ',
  permissionChanges: 'READ',
};
/** What needs a second scope, asked for after the first. */
const ALSO: Record<string, Scope> = { userDel: 'WRITE' };
/** What needs another scope than the root field that leads to it. */
const OWN_SCOPE: Record<string, string[]> = { users: ['User.groups'], user: ['User.groups'] };
const KINDS: Kind[] = ['query', 'mutation', 'subscription'];
const ROOTS = KINDS.flatMap((kind) => rootFields(schema, kind).map((field) => ({ kind, field, name: field.name })));

const MARK = `mark${crypto.randomUUID().replaceAll('-', '')}`;
const MEMBER = `${MARK}@member`;
const SECOND = `${MARK}@second`;
const gateway = await openTestGateway();
const app = await gateway.caller();
const idOf = (...parts: string[]) => JSON.stringify(Buffer.from(parts.join(':')).toString('base64'));

interface Marked {
  gid: string;
  tokenId: string;
  values: Record<string, string>;
}

/** A group of which every value that can bear a mark does. */
async function markedGroup(members: string[] = []): Promise<Marked> {
  const everyone = [MEMBER, SECOND, ...members].map((address) => ({ addresses: [address], admin: { owner: true } }));
  const { groupAdd } = await app.call(GroupAddDocument, { input: { name: MARK, members: everyone } });
  if (groupAdd.__typename !== 'GroupAddPayload') throw new Error(JSON.stringify(groupAdd));
  const { gid } = groupAdd.group;
  await app.call(GroupSetDocument, { input: { gid, messageType: 7, permissions: { send: 'SELECTED' } } });
  await app.call(GroupEditMembersDocument, { input: { gid, messageType: 7, add: [{ addresses: [MEMBER] }] } });
  const { data } = await app.send(
    `mutation { tokenAdd(input: { address: "${MEMBER}", label: "${MARK}" }) { ... on TokenAddPayload { token { id } } } }`,
  );
  const tokenId = data?.tokenAdd.token.id as string;
  return { gid, tokenId, values: valuesFor(gid, tokenId) };
}

function valuesFor(gid: string, tokenId: string): Record<string, string> {
  const [quoted, member] = [JSON.stringify(gid), JSON.stringify(MEMBER)];
  return {
    ...{ gid: quoted, address: member, first: '1', action: 'SEND', messageType: '7', snapshot: 'true' },
    // The latest, which is the marked one.
    'groups.orderBy': '{ field: GID, direction: DESC }',
    'tokens.first': '',
    'tokens.last': '1',
    id: idOf('Group', gid),
    ids: `[${idOf('Group', gid)}, ${idOf('Member', gid, MEMBER)}]`,
    checks: `[{ gid: ${quoted}, address: ${member}, action: SEND }]`,
    'tokenRevoke.id': JSON.stringify(tokenId),
    'groupAdd.input': '{ name: "new" }',
    'groupSet.input': `{ gid: ${quoted}, name: "${MARK}2" }`,
    'groupDel.input': `{ gid: ${quoted} }`,
    'groupEditMembers.input': `{ gid: ${quoted}, add: [{ addresses: ["new"] }] }`,
    'groupRouteMessage.input': `{ gid: ${quoted}, from: ${member} }`,
    'tokenAdd.input': '{ label: "new" }',
    'tokenRevokeAll.address': '"nobody"',
    'userDel.input': `{ address: "nobody" }`,
    'users.first': '',
    'users.last': '1',
    'users.filter': `{ addressStartsWith: "${MARK}" }`,
  };
}

interface Walked {
  text: string;
  data: Record<string, { __typename?: string; NotAllowed_right?: string } | null> | null | undefined;
  errors: { extensions?: Record<string, unknown> }[];
}

async function walk(
  caller: Caller,
  { kind, field }: (typeof ROOTS)[number],
  values: Record<string, string>,
  skip: string[] = [],
): Promise<Walked> {
  const { document } = everythingBelow(schema, kind, field, values, { depth: 5, skip });
  const response = await gateway.fetch(
    new Request('http://gateway/graphql', {
      method: 'POST',
      headers: {
        'Content-Type': 'application/json',
        Authorization: `Bearer ${caller.token}`,
        ...(kind === 'subscription' ? { Accept: 'text/event-stream' } : {}),
      },
      body: JSON.stringify({ query: document }),
    }),
  );
  if (kind === 'subscription') return streamed(response);
  const text = await response.text();
  const { data, errors = [] } = JSON.parse(text);
  return { text, data, errors };
}

const QUIET = 400; // milliseconds: a stream that says nothing for so long has said what it has

/** What a stream tells at first: until it ends, or is quiet. */
async function streamed(response: Response): Promise<Walked> {
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  let text = '';
  // A few events are enough.
  while (text.length < 100_000) {
    const quiet = new Promise<undefined>((resolve) => setTimeout(resolve, QUIET));
    const part = await Promise.race([reader.read(), quiet]);
    if (!part || part.done) break;
    text += Buffer.from(part.value).toString();
  }
  void reader.cancel();
  const events = [...text.matchAll(/^data: ?(\{.*\})$/gm)].map(([, json]) => JSON.parse(json as string));
  return { text, data: events.find(({ data }) => data)?.data, errors: events.flatMap(({ errors = [] }) => errors) };
}

/** The right that an answer says is missing, if that is what it says. */
function refusal({ data, errors }: Walked, name: string): unknown {
  const payload = data?.[name];
  if (payload?.__typename === 'NotAllowed') return payload.NotAllowed_right;
  return errors.find(({ extensions }) => extensions?.['code'] === 'NOT_ALLOWED')?.extensions?.['right'];
}

test('every root field says which scope it needs, and every field of every type is walked', () => {
  expect(ROOTS.filter(({ name }) => !NEEDS[name]).map(({ name }) => name)).toEqual([]);
  const { values } = { values: valuesFor('1', '1') };
  const walked = new Set(ROOTS.flatMap(({ kind, field }) => everythingBelow(schema, kind, field, values, { depth: 5 }).fields));
  const all = Object.values(schema.getTypeMap())
    .filter((type) => isObjectType(type) && !type.name.startsWith('__'))
    .flatMap((type) => (isObjectType(type) ? Object.keys(type.getFields()).map((field) => `${type.name}.${field}`) : []));
  expect(all.filter((field) => !walked.has(field))).toEqual([]);
});

const tokens: { who: string; scope: Scope; caller: Caller }[] = [];
beforeAll(async () => {
  for (const scope of SCOPES) {
    const { data } = await app.send(`mutation { tokenAdd(input: { scopes: [${scope}] }) { ... on TokenAddPayload { secret } } }`);
    tokens.push({ who: 'an application', scope, caller: { ...app, token: data?.tokenAdd.secret } });
    if (scope !== 'TOKENS') tokens.push({ who: 'an owner', scope, caller: await app.user(`owner-${scope}`, [scope]) });
  }
});

describe.each(ROOTS)('$name', (root) => {
  test('tells and does nothing without its scope', async () => {
    const group = await markedGroup(SCOPES.map((scope) => `owner-${scope}`));
    const before = await groupState(gateway.db, group.gid);
    for (const { who, scope, caller } of tokens) {
      if (scope === NEEDS[root.name]) continue;
      const answer = await walk(caller, root, group.values);
      expect.soft(refusal(answer, root.name), `${who} with ${scope}: ${answer.text}`).toBe(NEEDS[root.name]);
      expect.soft(answer.text).not.toContain(MARK);
    }
    expect(await groupState(gateway.db, group.gid)).toEqual(before);
  });

  test('is answered with its scope alone, payloads too', async () => {
    for (const { who, scope, caller } of tokens) {
      if (scope !== NEEDS[root.name]) continue;
      const group = await markedGroup(SCOPES.map((each) => `owner-${each}`));
      const answer = await walk(caller, root, group.values, OWN_SCOPE[root.name]);
      const right = refusal(answer, root.name);
      if (ALSO[root.name]) {
        expect(right, answer.text).toBe(ALSO[root.name]);
        continue;
      }
      expect(SCOPES as readonly unknown[], `${who} with ${scope}: ${answer.text}`).not.toContain(right);
      if (who === 'an application') {
        expect(answer.errors, answer.text).toEqual([]);
        expect(Object.keys(answer.data ?? {})).toEqual([root.name]);
      }
    }
  });
});

describe('what the walk would see', () => {
  // The others tell of the caller, of what it said, or of what comes later.
  const SILENT = ['groupAdd', 'groupDel', 'tokenAdd', 'tokenRevoke', 'tokenRevokeAll', 'userDel', 'permissions', 'appChanges'];
  const SEEN = ROOTS.filter(({ name }) => !SILENT.includes(name));
  test.each(SEEN)('the application sees marks in $name', async (root) => {
    const group = await markedGroup();
    expect((await walk(app, root, group.values)).text).toContain(MARK);
  });
});

describe('strangers', async () => {
  const strangers: [string, Caller][] = [
    ['a user of the app', await app.user('stranger')],
    ['a user of the app without CREATE_GROUPS and TOKENS', await app.user('stranger', ['READ', 'WRITE'])],
    ['another app', await gateway.caller()],
    ['a member of that name in another app', await (await gateway.caller()).user(MEMBER)],
  ];
  // Groups of their own, so that their lists are not empty.
  for (const [, caller] of strangers) {
    await caller.call(GroupAddDocument, { input: { name: 'own', members: [{ addresses: ['friend'] }] } });
  }

  describe.each(strangers)('%s', (_, caller) => {
    test.each(ROOTS)('sees nothing of the group in $name, and changes nothing', async (root) => {
      const group = await markedGroup();
      const before = await groupState(gateway.db, group.gid);
      const { text } = await walk(caller, root, group.values);
      // An address that it named itself, or that is its own, may come back.
      const named = root.name === 'membershipChanges' || caller.viewer.address === MEMBER ? [MEMBER] : [];
      const told = [...text.matchAll(new RegExp(`${MARK}[^"\\\\]*`, 'g'))].map(([found]) => found);
      expect(
        told.filter((found) => !named.includes(found)),
        text,
      ).toEqual([]);
      expect(await groupState(gateway.db, group.gid)).toEqual(before);
    });
  });
});
