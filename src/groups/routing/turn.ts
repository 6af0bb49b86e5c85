import { takeLock } from '../../db/locks.ts';
import { type Statement, statement, type Tx } from '../../db/sql.ts';
import { bool, int2Array, int4, int8, nothing, type SqlType, text, textArray } from '../../db/types.ts';
import type { TypeLevels } from '../../model/group.ts';
import type { Member } from '../../model/member.ts';
import { permissionBit } from '../../model/member-permissions.ts';
import { type Demand, demandOf } from '../read/allowed.ts';
import { type MembersForm, membersSql } from '../read/allowed-sql.ts';
import { MEMBER, type MemberRow } from '../read/members.ts';

/** A message that one member receives: which members are candidates, and for which turn. */
export interface TurnRequest {
  appId: number;
  gid: number;
  flags: number;
  messageType: number;
  /** The group's set for the message type. */
  type: TypeLevels | undefined;
  /** The sender, which is never chosen. */
  from: string;
  /** Only these may be chosen; undefined: all. */
  among: readonly string[] | undefined;
}

// A lock of two integers cannot collide with a group's. It takes no transaction id, so a wait here does not delay streams.
const LOCK = statement({
  name: 'turn_lock',
  parameters: [text, int4],
  columns: { locked: bool },
  text: 'select pg_try_advisory_xact_lock(hashtext($1), $2) as locked',
});
const WAIT = statement({
  name: 'turn_wait',
  parameters: [text, int4],
  columns: { pg_advisory_xact_lock: nothing },
  text: 'select pg_advisory_xact_lock(hashtext($1), $2)',
  only: 'postgres',
});

/** Up to this many candidates are gathered and the next is picked; among more, a scan in order finds the next one soon. */
const GATHERED = 500;
const RECV = permissionBit('recv');

const LAST = '(select last from turn)';
const MAY_RECEIVE: Record<MembersForm, string> = {
  all: 'true',
  permission: `m.permissions & ${RECV} <> 0`,
  // No join, so that members are read in order, and no more of them than needed.
  entry: `m.permissions & $7::int = $7 and coalesce((select t.permissions & ${RECV} <> 0 from member_types t
      where t.app_id = m.app_id and t.gid = m.gid and t.address = m.address and t.message_type = $6), false)`,
};
const nextOf = (columns: string, from: string) => `
    (select 0 as lap, ${columns} from ${from} and m.join_number > ${LAST} order by m.join_number limit 1)
    union all
    (select 1 as lap, ${columns} from ${from} and m.join_number <= ${LAST} order by m.join_number limit 1)`;

/** Finds the next candidate in order of joining after the last receiver, wrapping around, and stores it as the last. */
function claim<const P extends readonly SqlType[]>(name: string, selection: P, sources: string, next: string) {
  return statement({
    name: `turn_claim_${name}`,
    parameters: [int4, int8, int4, text, ...selection],
    columns: MEMBER.columns,
    text: `with turn as materialized (
        select coalesce((select last from routing_turns where app_id = $1 and gid = $2 and message_type = $3), 0) as last),
      ${sources} next as materialized (select * from (${next}) m order by lap limit 1),
      claimed as (
        insert into routing_turns (app_id, gid, message_type, last) select $1, $2, $3, join_number from next
        on conflict (app_id, gid, message_type) do update set last = excluded.last)
      select ${MEMBER.list} from next m`,
  });
}

const members = (form: MembersForm) =>
  `members m where m.app_id = $1 and m.gid = $2 and m.address <> $4 and ${MAY_RECEIVE[form]}`;
const SOURCE = {
  gid: '$2',
  after: "''",
  except: '$4',
  limit: `${GATHERED + 1}`,
  bits: '$5',
  messageType: '$6::int',
  mask: '$7::int',
};

function claimOfSelected<const P extends readonly SqlType[]>(form: 'permission' | 'entry', selection: P) {
  const sources = `gathered as materialized (${membersSql(form, SOURCE)}),
      many as materialized (select count(*) > ${GATHERED} as many from gathered),`;
  const few = nextOf(MEMBER.list, 'gathered m where not (select many from many)');
  const many = nextOf(MEMBER.list, `${members(form)} and (select many from many)`);
  return claim(form, selection, sources, `${few} union all ${many}`);
}

function claimAmong<const P extends readonly SqlType[]>(form: MembersForm, selection: P) {
  const sources = `gathered as materialized (select ${MEMBER.list} from ${members(form)} and m.address = any($5::text[])),`;
  return claim(`among_${form}`, [textArray, ...selection], sources, nextOf(MEMBER.list, 'gathered m where true'));
}

/** Takes the app, the group, the turn and the sender, which is never chosen; then what selects the candidates. */
type Claim<Selection extends readonly unknown[]> = Statement<
  readonly [appId: number, gid: number, turn: number, from: string, ...Selection],
  MemberRow
>;
const CLAIMS: Record<MembersForm, Claim<Demand['values']>> = {
  all: claim('all', [], '', nextOf(MEMBER.list, members('all'))),
  permission: claimOfSelected('permission', [int2Array]),
  entry: claimOfSelected('entry', [int2Array, int4, int4]),
};
/** With the addresses in place of the bits. */
type Among = readonly [among: readonly string[], ...([] | [messageType: number, mask: number])];
const CLAIMS_AMONG: Record<MembersForm, Claim<Among>> = {
  all: claimAmong('all', []),
  permission: claimAmong('permission', []),
  entry: claimAmong('entry', [int4, int4]),
};

/** Which turn a message takes: one of its message type if only members selected for it receive, else one of the group. */
function turnOf({ flags, messageType, type }: TurnRequest): { demand: Demand; turn: number } {
  const demand = demandOf(flags, type, 'recv', messageType);
  return { demand, turn: demand.form === 'entry' ? messageType : 0 };
}

/** The name of a turn, for this process's queue. */
export function turnName(request: TurnRequest): string {
  return `turn:${request.appId}:${request.gid}:${turnOf(request).turn}`;
}

/**
 * Takes the turn: returns the next candidate in order of joining, and stores it in the same transaction. Without a candidate
 * it returns undefined and stores nothing. Concurrent requests wait until this transaction has ended.
 */
export async function takeTurn(tx: Tx, request: TurnRequest): Promise<Member | undefined> {
  const { appId, gid, from, among } = request;
  const { demand, turn } = turnOf(request);
  const name = [`turn:${appId}:${gid}`, turn] as const;
  await takeLock(tx, LOCK, name, () => tx.waitFor(WAIT, name));
  // A statement of its own after the lock: the lock's own snapshot is older than its wait.
  const { form, values } = demand;
  const [, ...besidesBits] = values;
  const [row] = await (among
    ? tx.query(CLAIMS_AMONG[form], [appId, gid, turn, from, among, ...besidesBits])
    : tx.query(CLAIMS[form], [appId, gid, turn, from, ...values]));
  return row && MEMBER.decode(row);
}
