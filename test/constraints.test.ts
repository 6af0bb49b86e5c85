import { beforeAll, describe, expect, test } from 'vitest';
import { groups } from '../src/generated/tables.ts';
import { addGroup } from '../src/groups/operations.ts';
import { createViewer, openTestDatabase, sql } from './setup/database.ts';
import { PLAIN_CASES } from './setup/plain-settings.ts';

type Values = Record<string, unknown>;

const db = await openTestDatabase();
const at = new Date('2026-01-01T00:00:00Z');
const later = new Date('2027-01-01T00:00:00Z');
const row = { gid: 5000, address: 'anna', xid: 1, generation: 1 };
const hash = Buffer.alloc(32, 1);
const bits = (...numbers: number[]) => numbers.map((bit) => (1 << bit) | 0);

/** A row for each table that its constraints let in. */
const VALID: Record<string, Values> = {
  groups: {
    gid: row.gid,
    name: 'x'.repeat(256),
    flags: 0x222a8 & 0x733fb,
    starts_at: at,
    expires_at: at,
    extension: 1,
    call_resolution: 10,
    call_max_duration: 1,
    xid: 1,
    generation: 1,
    created_at: at,
    updated_at: at,
  },
  group_types: { gid: row.gid, message_type: 1, send: 0, recv: 2 },
  members: { ...row, permissions: 31, rights: 511, join_number: 1, joined_version: 1, joined_at: at, updated_at: at },
  member_types: { gid: row.gid, address: row.address, message_type: 1, permissions: 3 },
  former_members: { ...row, joined_version: 1, left_version: 2, left_at: at },
  changes: { gid: row.gid, version: 1, generation: 1, xid: 1, kind: 1, at, mark: 1, member_count: 0, data: '{}' },
  routing_turns: { gid: row.gid, message_type: 0, last: 1 },
  routed_messages: { key: 'k'.repeat(255), hash, store: false, loopback: false, created_at: at },
  users: { address: '\u{1f600}'.repeat(256) },
  tokens: { hash, address: "o'neill@example.org", scopes: 15, origin: 'op' },
  idempotency_keys: {
    operation: 'groupAdd',
    actor: '',
    key: 'k'.repeat(255),
    hash,
    gid: row.gid,
    version: 1,
    mark: 1,
    created_at: at,
  },
};

const BAD_ADDRESSES = ['', 'x'.repeat(257), 'a,b', 'a\nb', 'a\u0001b', 'a\u007fb', 'a\u0085b', 'a\u009fb', ' a', 'a '].map(
  (address) => ({
    address,
  }),
);
const UNKNOWN_FLAGS = bits(2, 10, 11, 14, 15, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31);

/** Those of the columns of plain settings, by their rows of cases. */
function plainConstraints(): Record<string, [table: string, ...wrong: Values[]]> {
  const entries = Object.entries(PLAIN_CASES).flatMap(([name, { constraint }]) => {
    if (!constraint) return [];
    const [check, ...refused] = constraint;
    const [column] = groups[name as keyof typeof PLAIN_CASES];
    return [[check, ['groups', ...refused.map((value) => ({ [column]: value }))]] as const];
  });
  return Object.fromEntries(entries) as Record<string, [table: string, ...wrong: Values[]]>;
}

/** By constraint: the table, and what it refuses in a row that is valid otherwise. */
const REFUSED: Record<string, [table: string, ...wrong: Values[]]> = {
  groups_gid_range: ['groups', { gid: 999 }, { gid: 0 }, { gid: -1 }, { gid: '9007199254740992' }],
  ...plainConstraints(),
  groups_flags_known: ['groups', ...UNKNOWN_FLAGS.map((flags) => ({ flags }))],
  groups_flags_levels: ['groups', ...[0x3, 0x30, 0x300, 0x3000, 0x30000].map((flags) => ({ flags }))],
  groups_validity: ['groups', { starts_at: later }, { extension: 0 }, { extension: -1 }],
  groups_call_settings: [
    'groups',
    ...[-1, 6, 7, 11].map((call_resolution) => ({ call_resolution })),
    { call_max_duration: 0 },
    { call_max_duration: -1 },
  ],
  groups_counters: ['groups', { member_count: -1 }, { joins: -1 }, { version: -1 }],
  group_types_levels: ['group_types', { message_type: 0 }, { send: 3 }, { send: -1 }, { recv: 3 }, { recv: -1 }],
  members_address_form: ['members', ...BAD_ADDRESSES],
  members_bits: ['members', { permissions: 32 }, { permissions: -1 }, { rights: 512 }, { rights: -1 }],
  member_types_bits: ['member_types', { message_type: 0 }, { message_type: -1 }, { permissions: 4 }, { permissions: -1 }],
  former_members_versions: ['former_members', { left_version: 1 }, { left_version: 0 }],
  changes_version: ['changes', { version: 0 }],
  routing_turns_form: ['routing_turns', { message_type: -1 }, { last: 0 }],
  routed_messages_form: ['routed_messages', { key: '' }, { key: 'k'.repeat(256) }, { hash: Buffer.alloc(31) }],
  users_address_form: ['users', ...BAD_ADDRESSES],
  tokens_address_form: ['tokens', ...BAD_ADDRESSES],
  tokens_hash_length: ['tokens', { hash: Buffer.alloc(31) }, { hash: Buffer.alloc(33) }],
  tokens_scopes_known: ['tokens', { scopes: 0 }, { scopes: 16 }],
  tokens_origin_known: ['tokens', { origin: '' }, { origin: 'API' }],
  idempotency_keys_form: ['idempotency_keys', { key: '' }, { key: 'k'.repeat(256) }, { hash: Buffer.alloc(31) }],
  gateway_state_one_row: ['gateway_state', { id: 2 }],
};

let appId: number;

function insert(table: string, values: Values): Promise<unknown> {
  const all = table === 'gateway_state' ? values : { app_id: appId, ...values };
  const columns = Object.keys(all);
  const parameters = columns.map((_, index) => `$${index + 1}`);
  return sql(db, `insert into ${table} (${columns.join(', ')}) values (${parameters.join(', ')})`, Object.values(all));
}

beforeAll(async () => {
  ({ appId } = (await createViewer(db)).viewer);
  for (const [table, values] of Object.entries(VALID)) await insert(table, values);
});

describe('the database itself refuses', () => {
  const cases = Object.entries(REFUSED).flatMap(([constraint, [table, ...wrong]]) =>
    wrong.map((values) => [constraint, JSON.stringify(values).slice(0, 60), table, values] as const),
  );
  test.for(cases)('%s: %s', async ([constraint, , table, values]) => {
    await expect(insert(table, { ...VALID[table], ...values })).rejects.toMatchObject({ constraint, code: '23514' });
  });
});

test('every check constraint is tried', async () => {
  const rows = await sql<{ name: string }>(
    db,
    `select conname as name from pg_constraint where contype = 'c' and connamespace = 'public'::regnamespace`,
  );
  expect(rows.map(({ name }) => name).sort()).toEqual(Object.keys(REFUSED).sort());
});

test('a group, its member and its record cannot lose each other', async () => {
  const { viewer } = await createViewer(db);
  const { group } = await addGroup(db, viewer, { members: [{ addresses: ['anna'] }] });
  const orphan = { ...VALID['members'], app_id: viewer.appId, gid: group.gid + 1_000_000 };
  await expect(insert('members', orphan)).rejects.toMatchObject({ code: '23503' });
  await expect(sql(db, 'delete from apps where id = $1', [viewer.appId])).rejects.toMatchObject({
    code: expect.stringMatching(/^2300[13]$|^23503$/),
  });
});
