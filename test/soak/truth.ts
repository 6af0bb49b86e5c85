import pg from 'pg';
import type { LoggedChange, TableGroup } from './checker.ts';

const KINDS = [
  '',
  'GroupAdded',
  'GroupUpdated',
  'GroupDeleted',
  'GroupStarted',
  'GroupExpired',
  'MembersAdded',
  'MembersUpdated',
  'MembersRemoved',
];
const LOG = `select gid::text, version, kind, member_count, data from changes
  where app_id = (select id from apps where name = 'default') order by generation, xid, id`;
// The members of a deleted group stay as part of its tombstone.
const TABLES = `select g.gid::text, g.version, g.deleted_at is not null as deleted, g.name, g.member_count as "memberCount",
    array(select m.address || ' ' || ((m.permissions & 1) = 1)::text from members m
      where m.app_id = g.app_id and m.gid = g.gid) as members
  from groups g where g.app_id = (select id from apps where name = 'default')`;

interface Row {
  gid: string;
  version: number;
  kind: number;
  member_count: number;
  data: {
    settings?: { name: string | null };
    members?: [address: string, type: number, present: boolean, permissions: number, rights: number][];
    addresses?: string[];
  };
}

function changeOf({ gid, version, kind, member_count: memberCount, data }: Row): LoggedChange {
  const change: LoggedChange = { gid, version, kind: KINDS[kind] ?? '', memberCount };
  const { settings, members, addresses } = data;
  if (change.kind === 'MembersAdded') change.added = members?.map(([address]) => address);
  if (members) change.states = members.map(([address, , , permissions]) => `${address} ${(permissions & 1) === 1}`);
  if (addresses) change.removed = addresses;
  if (settings) change.name = settings.name;
  return change;
}

/** What the database has, read past all gateways. */
export async function readTruth(url: string): Promise<{ log: LoggedChange[]; tables: TableGroup[] }> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query<Row>(LOG);
    return { log: rows.map(changeOf), tables: (await client.query<TableGroup>(TABLES)).rows };
  } finally {
    await client.end();
  }
}
