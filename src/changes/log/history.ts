import type { Viewer } from '../../access/viewer.ts';
import { existsBeyond, readPage } from '../../db/read-page.ts';
import type { Sql } from '../../db/sql.ts';
import { int4, int4Array, int8, int8Array, text } from '../../db/types.ts';
import { type Bound, bound, family, type Keyset, orderBy, Where } from '../../db/where.ts';
import { encodePageCursor, type Page, type PageArgs, pageOf, pageRequest } from '../../model/page.ts';
import type { ChangeEvent } from '../streams/events.ts';
import { encodeGroupCursor } from './cursor.ts';
import { CHANGE_COLUMNS, CHANGE_HEAD_LIST, type ChangeRow, recordOf } from './read.ts';
import { CHANGE_KINDS, type ChangeKind } from './records.ts';

export interface HistoryArgs extends PageArgs {
  /** Only records of these kinds. */
  kinds?: readonly ChangeKind[] | null;
  /** Kinds whose settings, members and so on are read; of other kinds only the head is read. */
  whole: readonly ChangeKind[];
}

export type RecordedChange = Extract<ChangeEvent, { type: 'change' }>;

const HISTORY = family('history');
const ORDER: Keyset = { columns: [['c.version', int4]], descending: false };
const numbers = (kinds: readonly ChangeKind[]) => kinds.map((kind) => CHANGE_KINDS[kind]).sort((a, b) => a - b);

/** Builds the statements for histories, whose form and columns depend on what is selected of the records. */
class History {
  readonly #viewer: Viewer;
  readonly #args: HistoryArgs;
  readonly #whole: number[];

  constructor(viewer: Viewer, args: HistoryArgs) {
    this.#viewer = viewer;
    this.#args = args;
    this.#whole = numbers(args.whole);
  }

  /** Without data that nobody selects: it may be 1,000 members per record. */
  get list(): string {
    const data = this.#whole.length === 0 ? `'{}'::jsonb` : `case when c.kind in (${this.#whole}) then c.data else '{}' end`;
    return `${CHANGE_HEAD_LIST}, ${data} as data, 0 as size`;
  }

  /** For a user the history begins with the record that added it; without a membership it is empty. */
  where(tag: string, gid: string, ...values: Bound[]): Where {
    const { address } = this.#viewer;
    let where = new Where(HISTORY, `${tag}${this.#whole.join('')}`, `c.app_id = $1 and c.gid = ${gid}`, ...values);
    if (address !== null) {
      const joined = (user: string) =>
        `c.version >= (select m.joined_version from members m where m.app_id = $1 and m.gid = ${gid} and m.address = ${user})`;
      where = where.and('user', joined, bound(text, address));
    }
    const { kinds } = this.#args;
    if (kinds == null) return where;
    return where.and('kinds', (list) => `c.kind = any(${list}::int[])`, bound(int4Array, numbers(kinds)));
  }

  page(sql: Sql, gid: number) {
    const list = `changes:${gid}`;
    const request = pageRequest(this.#args, list, 'i');
    const all = this.where('', '$2', bound(int4, this.#viewer.appId), bound(int8, gid));
    const select = (where: string, orderAndLimit: string) => `select ${this.list} from changes c where ${where} ${orderAndLimit}`;
    return {
      read: () => readPage(sql, all, ORDER, request, CHANGE_COLUMNS, select),
      pageOf: (rows: readonly ChangeRow[]): Page<RecordedChange> => ({
        ...pageOf(rows.map(changeOf), request, (side, key) => existsBeyond(sql, all, ORDER, side, key, 'changes c')),
        cursorOf: ({ record }) => encodePageCursor(list, [record.version]),
      }),
    };
  }
}

function changeOf(row: ChangeRow): RecordedChange {
  const record = recordOf(row);
  return { type: 'change', record, cursor: encodeGroupCursor(record) };
}

/**
 * A page of the records still kept, oldest first, for each of several groups that the viewer sees, in the order of the gids.
 * A cursor belongs to one group's list: with it, the answers of other groups are errors.
 * @throws InvalidInputError for a wrong argument
 */
export async function pageHistories(
  sql: Sql,
  viewer: Viewer,
  gids: readonly number[],
  args: HistoryArgs,
): Promise<(Page<RecordedChange> | Error)[]> {
  const history = new History(viewer, args);
  if (gids.length === 1 || args.after != null || args.before != null) {
    const one = async (gid: number) => {
      const page = history.page(sql, gid);
      return page.pageOf(await page.read());
    };
    return Promise.all(gids.map((gid) => one(gid).catch((error: Error) => error)));
  }
  const { limit, backward } = pageRequest(args, '', '');
  const where = history.where(backward ? 'many_last_' : 'many_', 'g.gid', bound(int4, viewer.appId));
  const rows = await where.query(
    sql,
    CHANGE_COLUMNS,
    (conditions, groups, rowsEach) => `select c.* from unnest(${groups}::bigint[]) g(gid) cross join lateral (
          select ${history.list} from changes c where ${conditions} order by ${orderBy(ORDER, backward)} limit ${rowsEach}) c
        order by c.gid, ${orderBy(ORDER, backward)}`,
    bound(int8Array, gids),
    bound(int8, limit + 1),
  );
  const byGid = Map.groupBy(rows, ({ gid }) => gid);
  return gids.map((gid) => history.page(sql, gid).pageOf(byGid.get(gid) ?? []));
}
