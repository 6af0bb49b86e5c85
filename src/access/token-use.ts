import { type Sql, statement } from '../db/sql.ts';
import { int4Array, uuidArray } from '../db/types.ts';

// Other gateways note the same tokens: none of them waits for another, and a token is written at most once a minute.
const WRITE = statement({
  name: 'token_use',
  parameters: [int4Array, uuidArray],
  columns: {},
  text: `with used as (
      select t.app_id, t.id from tokens t join unnest($1::int[], $2::uuid[]) u(app_id, id) on t.app_id = u.app_id and t.id = u.id
      where t.last_used_at is null or t.last_used_at < clock_timestamp() - interval '1 minute'
      for no key update of t skip locked)
    update tokens t set last_used_at = clock_timestamp() from used where t.app_id = used.app_id and t.id = used.id`,
});
/** How long uses are gathered, in milliseconds. */
const GATHER = 5_000;
const MAX_PENDING = 10_000;

/** Keeps `lastUsedAt` without a write a request: uses gather and are written together. */
export class TokenUse {
  readonly #sql: Sql;
  readonly #pending = new Map<string, number>();
  #writtenAt = performance.now();

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  note(appId: number, tokenId: string): void {
    if (this.#pending.size < MAX_PENDING) this.#pending.set(tokenId, appId);
  }

  /** Writes what has gathered for long enough. */
  async writeWhenDue(): Promise<void> {
    if (this.#pending.size > 0 && performance.now() - this.#writtenAt >= GATHER) await this.write();
  }

  async write(): Promise<void> {
    if (this.#pending.size === 0) return;
    const tokens = [...this.#pending];
    this.#pending.clear();
    this.#writtenAt = performance.now();
    await this.#sql.query(WRITE, [tokens.map(([, appId]) => appId), tokens.map(([id]) => id)]);
  }
}
