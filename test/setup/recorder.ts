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
  /** All statements, in order. */
  readonly statements: RecordedStatement[] = [];
  readonly #runs = new AsyncLocalStorage<string[]>();

  readonly observe: StatementObserver = (statement, values = []) => {
    this.statements.push({ ...statement, values });
    // Whether a token is looked up depends on the age of the cached one.
    if (!statement.name.startsWith('token_')) this.#runs.getStore()?.push(statement.name);
  };

  /** The names of the statements that this runs, in order, without those of background work. */
  async during(run: () => Promise<unknown>): Promise<string[]> {
    const names: string[] = [];
    await this.#runs.run(names, run);
    return names;
  }
}
