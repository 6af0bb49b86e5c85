/** Whatever is done over the op endpoint comes to the same as over GraphQL: answers, tables and change records. */
import { randomInt } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  GroupAddDocument,
  GroupDelDocument,
  GroupEditMembersDocument,
  GroupSetDocument,
} from '../../src/generated/operations.ts';
import { sql } from '../setup/database.ts';
import { asForm, BEGINNING, type Command, command, membersInput, onWire, REFUSED, settingsInput } from './commands.ts';
import { type Json, type OpApp, openOps } from './setup.ts';

// Other ones in each run; RUNS: more.
const RUNS = Number(process.env['RUNS'] ?? 15);
const SEED = Number(process.env['SEED'] ?? randomInt(2 ** 31));
const ops = await openOps();
const { db } = ops.gateway;

/** The codes of the op endpoint for the errors of GraphQL. */
const CODES: Record<string, string> = { InvalidInput: 'BADPARA', GroupNotFound: 'BADGROUP', NotAMember: 'NOTMEMBER' };
const MISSING = 1;

interface Side {
  app: OpApp;
  /** In the order in which they were made. */
  gids: number[];
}

/** Does it over the op endpoint; gives the code, or undefined. */
async function overOps({ app, gids }: Side, given: Command): Promise<string | undefined> {
  const gid = given.op === 'groupadd' ? 0 : (gids[given.group] ?? MISSING);
  const wire = onWire(given, gid);
  const { result, error, group } = await ('json' in wire ? app.json(wire.json) : app.form(wire.form));
  expect(result).toBe(error === undefined);
  if (given.op === 'groupadd' && result) gids.push(group.gid);
  return error;
}

/** Does it over GraphQL, in one mutation where there is one. */
async function overGraphQL({ app, gids }: Side, given: Command): Promise<string | undefined> {
  if (given.op === 'groupadd') {
    const members = given.members && [membersInput(given.members, 0)];
    const { groupAdd } = await app.call(GroupAddDocument, { input: { ...settingsInput(given.settings, 0), members } as object });
    if (groupAdd.__typename === 'GroupAddPayload') gids.push(Number(groupAdd.group.gid));
    return CODES[groupAdd.__typename];
  }
  const gid = String(gids[given.group] ?? MISSING);
  if (given.op === 'groupdel') return CODES[(await app.call(GroupDelDocument, { input: { gid } })).groupDel.__typename];
  const { type: messageType } = given;
  const edit = async (more: object) =>
    CODES[(await app.call(GroupEditMembersDocument, { input: { gid, messageType, ...more } })).groupEditMembers.__typename];
  const set = async (more: object) =>
    CODES[(await app.call(GroupSetDocument, { input: { gid, messageType, ...more } })).groupSet.__typename];
  const add = given.members && [membersInput(given.members, messageType)];
  if (given.op === 'groupeditmembers') return edit({ add, remove: given.remove });
  if (given.op === 'groupset' && !given.remove) return set({ ...settingsInput(given.settings, messageType), members: add });
  const settings = settingsInput(given.op === 'replace' ? asForm(given.settings) : given.settings, messageType);
  return (
    (await set(settings)) ??
    (given.op === 'groupset'
      ? edit({ remove: given.remove })
      : edit({ add: replacing(given), remove: await others(app, gid, given) }))
  );
}

type Replace = Command & { op: 'replace' };

/** A form names no rights. */
const replacing = ({ members: { admin: _, ...members }, type }: Replace) => [membersInput(members, type)];

async function others(app: OpApp, gid: string, { type, members }: Replace): Promise<string[]> {
  const table = type > 0 ? 'member_types' : 'members';
  const rows = await sql<{ address: string }>(
    db,
    `select address from ${table} where app_id = $1 and gid = $2 and address <> all($3::text[]) ${type > 0 ? 'and message_type = $4' : ''}
    order by address`,
    [app.viewer.appId, Number(gid), members.addresses, ...(type > 0 ? [type] : [])],
  );
  return rows.map(({ address }) => address);
}

/**
 * A list is replaced in two mutations, of which the first would stay when the second fails: for a message type it names
 * members only.
 */
async function possible(side: Side, given: Command): Promise<Command | undefined> {
  if (given.op !== 'replace' || given.type === 0) return given;
  const gid = side.gids[given.group];
  const present = gid === undefined ? [] : (await side.app.state(gid)).members.map(([address]) => address);
  const addresses = given.members.addresses.filter((address) => present.includes(address));
  return addresses.length > 0 ? { ...given, members: { ...given.members, addresses } } : undefined;
}

/** Everything that the tables hold of an app's groups, with gids as places in the order of making and times in hours from `since`. */
async function tables({ app: { viewer }, gids }: Side, since: number): Promise<object> {
  const rows = async (text: string) =>
    (await sql<Json>(db, text, [viewer.appId])).map((row) => normal({ ...row, gid: gids.indexOf(row['gid']) }, since));
  return {
    groups: await rows(
      `select gid, name, name_folded, active, flags, starts_at, expires_at, extension, call_flags, call_resolution, call_max_duration,
        member_count, joins, version, start_due, expiry_due, deleted_at is not null as deleted from groups where app_id = $1 order by gid`,
    ),
    types: await rows('select gid, message_type, send, recv from group_types where app_id = $1 order by gid, message_type'),
    members: await rows(
      'select gid, address, permissions, rights, join_number, joined_version from members where app_id = $1 order by gid, address',
    ),
    entries: await rows(
      'select gid, address, message_type, permissions from member_types where app_id = $1 order by gid, address, message_type',
    ),
    former: await rows(
      'select gid, address, joined_version, left_version from former_members where app_id = $1 order by gid, address',
    ),
    changes: await rows(
      'select gid, version, kind, actor, member_count, data from changes where app_id = $1 order by gid, version',
    ),
  };
}

const TIMES = ['startsAt', 'expiresAt', 'due'];

function normal(value: unknown, since: number): unknown {
  const hours = (time: number) => Math.round((time - since) / 3_600_000);
  return JSON.parse(
    JSON.stringify(value, function replace(this: Json, name, given) {
      if (this[name] instanceof Date) return hours(this[name].getTime());
      return TIMES.includes(name) && typeof given === 'number' ? hours(given) : given;
    }),
  );
}

test(`generated ops and the same mutations give equal answers, groups, members and records (seed ${SEED})`, async () => {
  const codes = new Set<string | undefined>();
  let records = 0;
  const property = fc.asyncProperty(fc.array(command, { minLength: 6, maxLength: 14, size: 'max' }), async (commands) => {
    const since = Date.now();
    const left: Side = { app: await ops.app(), gids: [] };
    const right: Side = { app: await ops.app(), gids: [] };
    for (const wanted of [...BEGINNING, ...commands]) {
      const given = await possible(left, wanted);
      if (!given) continue;
      const code = await overOps(left, given);
      expect(await overGraphQL(right, given)).toBe(code);
      codes.add(code);
    }
    const written = await tables(left, since);
    expect(written).toEqual(await tables(right, since));
    records += (written as { changes: unknown[] }).changes.length;
  });
  await fc.assert(property, { seed: SEED, numRuns: RUNS, examples: [[REFUSED]] });
  console.log(`seed ${SEED}: ${records} records on either side, codes ${[...codes].map(String).sort().join(', ')}`);
  expect(codes).toEqual(new Set([undefined, 'BADPARA', 'BADGROUP', 'NOTMEMBER']));
  expect(records).toBeGreaterThan(100);
}, 120_000);

const USERS = ['ann', 'bob', 'cem'];
const someone = fc.constantFrom(...USERS);
const userCommand = fc.oneof(
  fc.record({ op: fc.constant('useradd' as const), address: someone }),
  fc.record({ op: fc.constant('userset' as const), address: someone }),
  fc.record({ op: fc.constant('userdel' as const), address: fc.oneof({ weight: 9, arbitrary: someone }, fc.constant('a,b')) }),
  fc.record({ op: fc.constant('groupadd' as const), address: someone }),
);
type UserCommand = typeof userCommand extends fc.Arbitrary<infer C> ? C : never;

/** By uid where there is one, as clients that know it send it. */
async function userOverOps({ app, gids }: Side, { op, address }: UserCommand): Promise<string | undefined> {
  if (op === 'groupadd') return overOps({ app, gids }, { op, settings: {}, members: { addresses: [address, 'zoe'] } });
  const { user } = await app.json({ op: 'userget', user: { address } });
  const named = op !== 'useradd' && user ? { uid: user.uid } : { address };
  const { result, error } = await app.json({ op, user: { ...named, ...(op === 'userset' ? { token: { remove: true } } : {}) } });
  expect(result).toBe(error === undefined);
  return error;
}

async function userOverGraphQL({ app, gids }: Side, { op, address }: UserCommand): Promise<string | undefined> {
  if (op === 'groupadd') return overGraphQL({ app, gids }, { op, settings: {}, members: { addresses: [address, 'zoe'] } });
  const [field, document] = {
    useradd: ['tokenAdd', 'mutation ($address: String!) { tokenAdd(input: { address: $address }) { __typename } }'],
    userset: ['tokenRevokeAll', 'mutation ($address: String!) { tokenRevokeAll(address: $address) { __typename } }'],
    userdel: ['userDel', 'mutation ($address: String!) { userDel(input: { address: $address }) { __typename } }'],
  }[op] as [string, string];
  return CODES[(await app.send(document, { address })).data?.[field].__typename];
}

/** The users as either entrance lists them. */
async function listed({ app }: Side): Promise<object> {
  const { users } = await app.json({ op: 'usersget' });
  const { data } = await app.send('{ users { edges { node { uid address active } } } }');
  const nodes = data?.['users'].edges.map(({ node }: Json) => ({ ...node, uid: Number(node.uid) }));
  expect(nodes).toEqual(users);
  return users.map(({ uid: _, ...user }: Json) => user);
}

test(`generated user ops and their mutations leave equal users, groups, members and records (seed ${SEED})`, async () => {
  const codes = new Set<string | undefined>();
  const property = fc.asyncProperty(fc.array(userCommand, { minLength: 6, maxLength: 12, size: 'max' }), async (commands) => {
    const since = Date.now();
    const left: Side = { app: await ops.app(), gids: [] };
    const right: Side = { app: await ops.app(), gids: [] };
    for (const given of commands) {
      const code = await userOverOps(left, given);
      expect(await userOverGraphQL(right, given)).toBe(code);
      codes.add(code);
    }
    expect(await tables(left, since)).toEqual(await tables(right, since));
    expect(await listed(left)).toEqual(await listed(right));
  });
  // What is refused comes up too seldom by itself.
  await fc.assert(property, { seed: SEED, numRuns: RUNS, examples: [[[{ op: 'userdel', address: 'a,b' }]]] });
  expect(codes).toEqual(new Set([undefined, 'BADPARA']));
}, 120_000);
