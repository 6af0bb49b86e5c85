/**
 * Records the statements of a database, for tests that count them:
 *
 *     const recorder = new StatementRecorder();
 *     const gateway = await openTestGateway({ observe: recorder.observe });
 *     expect(await recorder.during(() => caller.send('…'))).toEqual(['groups_find_one']);
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { Statement, StatementObserver } from '../../src/db/sql.ts';

export interface RecordedStatement extends Statement {
  values: readonly unknown[];
}

export class StatementRecorder {
  /** All that came, in order. */
  readonly statements: RecordedStatement[] = [];
  readonly #runs = new AsyncLocalStorage<string[]>();

  readonly observe: StatementObserver = (statement, values = []) => {
    this.statements.push({ ...statement, values });
    // Whether a token is asked for depends on how old the cached one is.
    if (!statement.name.startsWith('token_')) this.#runs.getStore()?.push(statement.name);
  };

  /** The names of the statements that come of this, in order; not those of background work that runs meanwhile. */
  async during(run: () => Promise<unknown>): Promise<string[]> {
    const names: string[] = [];
    await this.#runs.run(names, run);
    return names;
  }
}
