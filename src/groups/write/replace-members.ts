import { statement } from '../../db/sql.ts';
import { pick } from '../../db/table.ts';
import { int4, int8, text } from '../../db/types.ts';
import { members, memberTypes } from '../../generated/tables.ts';
import { invalid } from '../../model/issues.ts';
import { MAX_ADDRESSES, type MembersEdit } from '../input/member-input.ts';
import { type GroupWrite, ROWS_A_STATEMENT } from './group-write.ts';

const MEMBERS = statement({
  name: 'members_addresses',
  parameters: [int4, int8, text],
  columns: pick(members, '', ['address']).columns,
  text: `select address from members where app_id = $1 and gid = $2 and address > $3
    order by address limit ${ROWS_A_STATEMENT}`,
});
const ENTRIES = statement({
  name: 'entries_addresses',
  parameters: [int4, int8, text, int4],
  columns: pick(memberTypes, '', ['address']).columns,
  text: `select address from member_types where app_id = $1 and gid = $2 and message_type = $4 and address > $3
    order by address limit ${ROWS_A_STATEMENT}`,
});

/**
 * The members that an edit does not name, or with a message type those of them that have an entry for it.
 * @throws InvalidInputError when there are more than one request may remove
 */
export async function membersNotNamed(write: GroupWrite, { messageType, add, update, addPath }: MembersEdit): Promise<string[]> {
  const { tx, appId, gid } = write;
  const named = new Set([...add, ...update].flatMap(({ addresses }) => addresses));
  const besides: string[] = [];
  for (let after = ''; ; ) {
    const rows = await (messageType > 0
      ? tx.query(ENTRIES, [appId, gid, after, messageType])
      : tx.query(MEMBERS, [appId, gid, after]));
    for (const { address } of rows) if (!named.has(address)) besides.push(address);
    if (named.size + besides.length > MAX_ADDRESSES) {
      invalid(addPath, `would remove too many; one request names and removes at most ${MAX_ADDRESSES} addresses`);
    }
    if (rows.length < ROWS_A_STATEMENT) return besides;
    after = rows[rows.length - 1]?.address ?? '';
  }
}
