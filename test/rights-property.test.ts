/**
 * Whatever users of two apps do, in any order: a group that had an owner has one, nobody holds a right that no one entitled
 * gave, and neither app sees or touches anything of the other. The rules are written here once more, in other words.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { sql } from './setup/database.ts';
import { type Caller, openTestGateway } from './setup/gateway.ts';

const gateway = await openTestGateway();
const { db } = gateway;
const USERS = ['u0', 'u1', 'u2', 'u3'];
const BIT = {
  owner: 1,
  admin: 2,
  modify: 4,
  remove: 8,
  addUser: 16,
  removeUser: 32,
  addAdmin: 64,
  removeAdmin: 128,
  removeOwner: 256,
};
type Right = keyof typeof BIT;
const RIGHTS = Object.keys(BIT) as Right[];
const NO_LEAVING = 0x40000;

const apps = [await gateway.caller(), await gateway.caller()];
/** By app: the application, then its users. The same addresses in both. */
const callers: Caller[][] = await Promise.all(
  apps.map(async (app) => [app, ...(await Promise.all(USERS.map((user) => app.user(user))))]),
);

const admin = fc.dictionary(fc.constantFrom(...RIGHTS), fc.boolean(), { minKeys: 1, maxKeys: 2 });
const permissions = fc.dictionary(fc.constantFrom('send', 'recv', 'pub'), fc.boolean(), { maxKeys: 2 });
const given = fc.record(
  { permissions, admin: fc.oneof(admin, fc.constantFrom({ owner: true }, { owner: false }, { admin: true }, { admin: false })) },
  { requiredKeys: [] },
);
/** For each address at most one thing: to be added, updated or removed. */
const plan = fc.array(
  fc.record({ address: fc.constantFrom(...USERS, 'u4'), to: fc.constantFrom('add', 'add', 'update', 'remove'), given }),
  { maxLength: 2 },
);
const edit = fc.record({ plan, messageType: fc.constantFrom(0, 0, 0, 7) }).map(({ plan: all, messageType }) => {
  const distinct = [...new Map(all.map((each) => [each.address, each])).values()];
  const members = (to: string) =>
    distinct
      .filter((each) => each.to === to)
      .map(({ address, given: { permissions: own, admin: bits } }) => ({
        addresses: [address],
        permissions: messageType ? { send: own?.['send'] } : own,
        admin: messageType ? undefined : bits,
      }));
  const remove = distinct.filter(({ to }) => to === 'remove').map(({ address }) => address);
  return { kind: 'edit', add: members('add'), update: members('update'), remove, messageType };
});
const added = plan.map((all) =>
  [...new Map(all.map((each) => [each.address, each])).values()].map(({ address, given: own }) => ({
    addresses: [address],
    ...own,
  })),
);
/** The group's set for a message type: put, narrowed or dropped. */
const typed = fc.record({
  kind: fc.constant('set'),
  messageType: fc.constant(7),
  permissions: fc.constantFrom(null, { send: 'SELECTED' }, { recv: 'SELECTED' }, { send: 'MEMBERS', recv: 'ROUND_ROBIN' }),
});
/** A member's entry for that type. */
const entry = fc
  .record({ address: fc.constantFrom(...USERS), send: fc.boolean(), to: fc.constantFrom('add', 'add', 'remove') })
  .map(({ address, send, to }) => ({
    kind: 'edit',
    messageType: 7,
    [to]: to === 'add' ? [{ addresses: [address], permissions: { send } }] : [address],
  }));
const input: fc.Arbitrary<{ kind: string }> = fc.oneof(
  { weight: 6, arbitrary: edit },
  {
    weight: 3,
    arbitrary: fc.record(
      { kind: fc.constant('set'), name: fc.constantFrom('a', 'b'), membersMayLeave: fc.boolean(), members: added },
      { requiredKeys: ['kind'] },
    ),
  },
  { weight: 2, arbitrary: typed },
  { weight: 2, arbitrary: entry },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('add'), members: added }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('del') }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('leave') }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('resign') }) },
);
/** What happens, mostly by members of a group that is there; a stray one may be of the other app, or the group deleted. */
const step = fc.record({
  stray: fc.oneof({ weight: 6, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
  who: fc.nat(99),
  group: fc.nat(99),
  input,
});
interface Step {
  stray: boolean;
  who: number;
  group: number;
  input: { kind: string };
}
/** The first users' rights in a group, often with one owner among them. */
const few = fc.subarray(RIGHTS.slice(2), { maxLength: 2 }).map((some) => some.reduce((bits, right) => bits | BIT[right], 0));
const rights = fc.tuple(fc.constantFrom(511, 511, 246), few, fc.oneof(few, fc.integer({ min: 0, max: 510 })), few);

interface Member {
  permissions: number;
  rights: number;
  /** The entries for message types, as text. */
  entries: string;
}
interface Group {
  app: number;
  deleted: boolean;
  name: string | null;
  flags: number;
  /** The sets for message types, as text. */
  types: string;
  version: number;
  members: Record<string, Member>;
}
type State = Record<string, Group>;

async function stateOf(gids: readonly string[]): Promise<State> {
  const query = `select g.gid::text, g.app_id as app, g.deleted_at is not null as deleted, g.name, g.flags, g.version,
      (select coalesce(string_agg(concat_ws(' ', t.message_type, t.send, t.recv), ', ' order by t.message_type), '')
        from group_types t where t.app_id = g.app_id and t.gid = g.gid) as types,
      coalesce(json_object_agg(m.address, json_build_object('permissions', m.permissions, 'rights', m.rights, 'entries', (
        select coalesce(string_agg(concat_ws(' ', e.message_type, e.permissions), ', ' order by e.message_type), '')
        from member_types e where e.app_id = m.app_id and e.gid = m.gid and e.address = m.address)
      ) order by m.address) filter (where m.address is not null), '{}') as members
    from groups g left join members m on m.app_id = g.app_id and m.gid = g.gid
    where g.gid = any($1::bigint[]) group by g.app_id, g.gid`;
  const rows = await sql<Group & { gid: string }>(db, query, [gids.map(Number)]);
  return Object.fromEntries(rows.map(({ gid, ...group }) => [gid, group]));
}

const RESULT = '__typename ... on Error { code } ... on NotAllowed { right }';
async function ask(
  caller: Caller,
  gid: string,
  { kind, ...given }: { kind: string },
): Promise<{ __typename: string; group?: { gid: string } }> {
  const self = [caller.viewer.address ?? 'nobody'];
  if (kind === 'leave') return ask(caller, gid, { kind: 'edit', ...{ remove: self } });
  if (kind === 'resign') return ask(caller, gid, { kind: 'edit', ...{ update: [{ addresses: self, admin: { owner: false } }] } });
  const name = { edit: 'groupEditMembers', set: 'groupSet', add: 'groupAdd', del: 'groupDel' }[kind] as string;
  const type = `G${name.slice(1)}`;
  const payload = kind === 'add' ? `... on ${type}Payload { group { gid } }` : '';
  const query = `mutation ($input: ${type}Input!) { ${name}(input: $input) { ${RESULT} ${payload} } }`;
  const { data, errors } = await caller.send(query, { input: kind === 'add' ? given : { gid, ...given } });
  if (errors) throw new Error(JSON.stringify(errors));
  return data?.[name];
}

/** Why a user was not entitled to what came of its request, or nothing. */
function wrong(user: string, before: Group, after: Group): string[] {
  const found: string[] = [];
  const mine = before.members[user]?.rights;
  if (mine === undefined) return ['it is no member'];
  const holds = (right: Right) => (mine & BIT[right]) !== 0;
  const demand = (right: Right, why: string) => {
    if (!holds(right)) found.push(`${right} is needed: ${why}`);
  };
  if (after.deleted) demand('remove', 'deleted');
  for (const setting of ['name', 'flags', 'types'] as const) {
    if (before[setting] !== after[setting]) demand('modify', `settings: ${setting}`);
  }
  for (const address of new Set([...Object.keys(before.members), ...Object.keys(after.members)])) {
    const [old, now] = [before.members[address], after.members[address]];
    const was = old?.rights ?? 0;
    const rank = was & BIT.owner ? 'owner' : was ? 'admin' : 'plain';
    if (!old) {
      demand('addUser', `${address} joined`);
      if (now?.entries) found.push(`${address} joined with entries`);
    }
    if (!now) {
      if (address !== user)
        demand(({ plain: 'removeUser', admin: 'removeAdmin', owner: 'removeOwner' } as const)[rank], `${address} was removed`);
      else if (before.flags & NO_LEAVING && rank !== 'owner') found.push('leaving is forbidden');
      continue;
    }
    for (const own of ['permissions', 'entries'] as const) {
      if (old && old[own] !== now[own])
        demand(({ plain: 'addUser', admin: 'addAdmin', owner: 'removeOwner' } as const)[rank], `${address}'s ${own}`);
    }
    for (const right of RIGHTS) {
      const [had, has] = [(was & BIT[right]) !== 0, (now.rights & BIT[right]) !== 0];
      if (!had && has) {
        demand('addAdmin', `${address} got ${right}`);
        demand(right, `${address} got it`);
      }
      if (had && !has && address !== user) demand(rank === 'owner' ? 'removeOwner' : 'removeAdmin', `${address} lost ${right}`);
    }
  }
  return found;
}

const hasOwner = ({ members }: Group) => Object.values(members).some((member) => member.rights & BIT.owner);
/** How often each answer came, and each kind of change by a user. */
const tally = new Map<string, number>();
const note = (what: string) => tally.set(what, (tally.get(what) ?? 0) + 1);

function noteChanges(before: Group, after: Group): void {
  if (before.name !== after.name) note('a name');
  if (before.types !== after.types) note('a type');
  const members = Object.keys(before.members).filter((address) => address in after.members);
  if (members.some((address) => before.members[address]?.entries !== after.members[address]?.entries)) note('an entry');
}

function choose(state: State, gids: readonly string[], { stray, who, group }: Step): { gid: string; caller: Caller } {
  const pick = <T>(list: readonly T[], number: number) => list[number % list.length] as T;
  const live = gids.filter((gid) => !state[gid]?.deleted);
  const gid = pick(stray || live.length === 0 ? gids : live, group);
  const own = callers[apps.findIndex(({ viewer }) => viewer.appId === state[gid]?.app)] as Caller[];
  const members = own.filter(({ viewer }) => viewer.address !== null && viewer.address in (state[gid]?.members ?? {}));
  return { gid, caller: pick(stray || members.length === 0 ? callers.flat() : members, who) };
}

async function check(seeds: number[][], steps: Step[]): Promise<void> {
  const gids: string[] = [];
  for (const [index, bits] of seeds.entries()) {
    const members = bits.map((each, place) => ({
      addresses: [USERS[place]],
      admin:
        each & BIT.owner
          ? { owner: true }
          : Object.fromEntries(RIGHTS.slice(2).map((right) => [right, (each & BIT[right]) !== 0])),
    }));
    const app = apps[index % 2] as Caller;
    const { group } = await ask(app, '', { kind: 'add', ...{ members, membersMayLeave: index < 2 } });
    const gid = group?.gid as string;
    const entries = { messageType: 7, permissions: { send: 'SELECTED' }, members: [{ addresses: USERS.slice(index % 2, 3) }] };
    await ask(app, gid, { kind: 'set', ...entries });
    gids.push(gid);
  }
  const appOf = (gid: string, state: State) => apps.findIndex(({ viewer }) => viewer.appId === state[gid]?.app);
  let before = await stateOf(gids);
  for (const next of steps) {
    const { input: given, group } = next;
    const { gid, caller } = choose(before, gids, next);
    const app = apps.findIndex(({ viewer }) => viewer.appId === caller.viewer.appId);
    const user = caller.viewer.address;
    const answer = await ask(caller, gid, given);
    const failed = !answer.__typename.endsWith('Payload');
    note(answer.__typename);
    if (answer.group) gids.push(answer.group.gid);
    const after = await stateOf(gids);

    if (failed) expect(after).toEqual(before);
    if (given.kind !== 'add' && appOf(gid, before) !== app) expect(answer.__typename).toMatch(/^(GroupNotFound|InvalidInput)$/);
    for (const each of gids) {
      const [old, now] = [before[each], after[each] as Group];
      // Nothing but the group that was meant, and that only by its own app.
      if (old && (each !== gid || appOf(each, before) !== app)) expect(now).toEqual(old);
      else if (!old) expect(user === null || (now.members[user]?.rights === 511 && appOf(each, after) === app)).toBe(true);
      // No change goes without a record.
      else if (now.version === old.version) expect(now).toEqual(old);
      else if (user !== null) {
        noteChanges(old, now);
        expect(wrong(user, old, now)).toEqual([]);
        if (hasOwner(old)) expect(hasOwner(now)).toBe(true);
      }
    }
    await checkSight(after, gids, group % USERS.length);
    before = after;
  }
}

/** A user, in either app, sees the groups of its app that it is in, and no other. */
async function checkSight(state: State, gids: readonly string[], index: number): Promise<void> {
  for (const [app, all] of callers.entries()) {
    const caller = all[index + 1] as Caller;
    const { data } = await caller.send(
      `query ($ids: [ID!]!) { nodes(ids: $ids) { ... on Group { gid viewerMember { address } } } }`,
      {
        ids: gids.map((gid) => Buffer.from(`Group:${gid}`).toString('base64')),
      },
    );
    const visible = (gid: string) => {
      const group = state[gid] as Group;
      return group.app === apps[app]?.viewer.appId && !group.deleted && (USERS[index] as string) in group.members;
    };
    expect(data?.nodes).toEqual(gids.map((gid) => (visible(gid) ? { gid, viewerMember: { address: USERS[index] } } : null)));
  }
}

const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31));
test(`whatever users do, the rules hold (SEED=${SEED})`, { timeout: 180_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(rights, { minLength: 2, maxLength: 4 }), fc.array(step, { minLength: 5, maxLength: 20 }), check),
    { seed: SEED, numRuns: Number(process.env['RUNS'] ?? 50) },
  );
  // Otherwise it would prove nothing.
  const answers = [
    'GroupAddPayload',
    'GroupSetPayload',
    'GroupEditMembersPayload',
    'GroupDelPayload',
    'NotAllowed',
    'GroupNotFound',
    'LastOwner',
  ];
  expect([...answers, 'a name', 'a type', 'an entry'].filter((each) => !tally.get(each))).toEqual([]);
});
