import type { Statement, Tx } from '../../db/sql.ts';
import type { TypeLevels } from '../../model/group.ts';
import type { Member } from '../../model/member.ts';
import { permissionBit } from '../../model/member-permissions.ts';
import { type Demand, demandOf } from '../read/allowed.ts';
import { type MembersForm, membersSql } from '../read/allowed-sql.ts';
import { MEMBER_COLUMNS, type MemberRow, memberOf } from '../read/members.ts';

/** A message that one member is to receive: who may come to be that one, and whose turn it is. */
export interface TurnRequest {
  appId: number;
  gid: number;
  flags: number;
  messageType: number;
  /** The group's set for the message type. */
  type: TypeLevels | undefined;
  /** The sender, who is passed over. */
  from: string;
  /** Only these may be chosen; undefined: all. */
  among: readonly string[] | undefined;
}

// In the space of two integers, where no gid is. It gives no transaction id: who waits here holds up nobody who reads the log.
const LOCK = { name: 'turn_lock', text: 'select pg_advisory_xact_lock(hashtext($1), $2)' };

/** Among so many candidates they are gathered and the next is picked; among more, few are passed over to find the next. */
const GATHERED = 500;
const RECV = permissionBit('recv');

const LAST = '(select last from turn)';
const MAY_RECEIVE: Record<MembersForm, string> = {
  all: 'true',
  permission: `m.permissions & ${RECV} <> 0`,
  // No join, so that members are looked at in their order, and no more of them than needed.
  entry: `m.permissions & $7::int = $7 and coalesce((select t.permissions & ${RECV} <> 0 from member_types t
      where t.app_id = m.app_id and t.gid = m.gid and t.address = m.address and t.message_type = $6), false)`,
};
const nextOf = (columns: string, from: string) => `
    (select 0 as lap, ${columns} from ${from} and m.join_number > ${LAST} order by m.join_number limit 1)
    union all
    (select 1 as lap, ${columns} from ${from} and m.join_number <= ${LAST} order by m.join_number limit 1)`;

/** The statement: finds the next candidate in order of joining behind the last receiver, around, and notes it. */
function claim(name: string, sources: string, next: string): Statement {
  return {
    name: `turn_claim_${name}`,
    text: `with turn as materialized (
        select coalesce((select last from routing_turns where app_id = $1 and gid = $2 and message_type = $3), 0) as last),
      ${sources} next as materialized (select * from (${next}) m order by lap limit 1),
      claimed as (
        insert into routing_turns (app_id, gid, message_type, last) select $1, $2, $3, join_number from next
        on conflict (app_id, gid, message_type) do update set last = excluded.last)
      select ${MEMBER_COLUMNS} from next m`,
  };
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

function claimOfSelected(form: 'permission' | 'entry'): Statement {
  const sources = `gathered as materialized (${membersSql(form, SOURCE)}),
      many as materialized (select count(*) > ${GATHERED} as many from gathered),`;
  const few = nextOf(MEMBER_COLUMNS, 'gathered m where not (select many from many)');
  const many = nextOf(MEMBER_COLUMNS, `${members(form)} and (select many from many)`);
  return claim(form, sources, `${few} union all ${many}`);
}

function claimAmong(form: MembersForm): Statement {
  const sources = `gathered as materialized (select ${MEMBER_COLUMNS} from ${members(form)} and m.address = any($5::text[])),`;
  return claim(`among_${form}`, sources, nextOf(MEMBER_COLUMNS, 'gathered m where true'));
}

const CLAIMS: Record<MembersForm, Statement> = {
  all: claim('all', '', nextOf(MEMBER_COLUMNS, members('all'))),
  permission: claimOfSelected('permission'),
  entry: claimOfSelected('entry'),
};
const CLAIMS_AMONG: Record<MembersForm, Statement> = {
  all: claimAmong('all'),
  permission: claimAmong('permission'),
  entry: claimAmong('entry'),
};

/** With `among` the addresses stand in the place of the bits. */
function values({ values }: Demand, among: readonly string[] | undefined): unknown[] {
  return among ? [among, ...values.slice(1)] : values;
}

/** Whose turns a message counts among: those of its type where only members selected for it receive, else the group's. */
function turnOf({ flags, messageType, type }: TurnRequest): { demand: Demand; turn: number } {
  const demand = demandOf(flags, type, 'recv', messageType);
  return { demand, turn: demand.form === 'entry' ? messageType : 0 };
}

/** What names a turn, for the queue of this process and the lock of all. */
export function turnName(request: TurnRequest): string {
  return `turn:${request.appId}:${request.gid}:${turnOf(request).turn}`;
}

/**
 * Takes the turn: gives the next candidate in order of joining, and notes it in the same transaction. undefined, and nothing
 * noted: there is no candidate. Who asks at the same time waits until this transaction has ended.
 */
export async function takeTurn(tx: Tx, request: TurnRequest): Promise<Member | undefined> {
  const { appId, gid, from, among } = request;
  const { demand, turn } = turnOf(request);
  await tx.query(LOCK, [`turn:${appId}:${gid}`, turn]);
  // A statement of its own after the lock: the lock's own snapshot is older than its wait.
  const statement = (among ? CLAIMS_AMONG : CLAIMS)[demand.form];
  const [row] = await tx.query<MemberRow>(statement, [appId, gid, turn, from, ...values(demand, among)]);
  return row && memberOf(row);
}
