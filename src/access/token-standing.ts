import DataLoader from 'dataloader';
import { type Sql, statement } from '../db/sql.ts';
import { int4Array, type SqlType, text, uuidArray } from '../db/types.ts';
import { NOT_EXPIRED } from './token-rows.ts';
import type { Viewer } from './viewer.ts';

export type TokenStanding = 'valid' | 'revoked' | 'expired';

const STANDING = statement({
  name: 'token_standing',
  parameters: [int4Array, uuidArray],
  columns: { standing: text as SqlType<TokenStanding> },
  text: `select case when t.id is null or a.id is null then 'revoked' when ${NOT_EXPIRED} then 'valid' else 'expired' end as standing
    from unnest($1::int[], $2::uuid[]) with ordinality k(app_id, id, place)
    left join tokens t on t.app_id = k.app_id and t.id = k.id and t.revoked_at is null
    left join apps a on a.id = k.app_id and a.deleted_at is null
    order by k.place`,
});
const MAX_A_STATEMENT = 5_000;

/** Asks the database whether tokens still hold; all that is asked in one turn of the event loop in one statement. */
export function createStandings(sql: Sql): (viewer: Viewer) => Promise<TokenStanding> {
  const loader = new DataLoader<Viewer, TokenStanding>(
    async (viewers) => {
      const rows = await sql.query(STANDING, [viewers.map(({ appId }) => appId), viewers.map(({ token }) => token.id)]);
      return rows.map(({ standing }) => standing);
    },
    { cache: false, maxBatchSize: MAX_A_STATEMENT },
  );
  return (viewer) => loader.load(viewer);
}
