import { parseArgs } from 'node:util';
import type { Attack } from './attack.ts';
import { ATTACKS } from './attacks.ts';

export interface Options {
  attacks: readonly Attack[];
  /** Milliseconds: of each attack, of quiet before the first, of rest after each, of the search for the dearest operation. */
  attack: number;
  quiet: number;
  rest: number;
  search: number;
  /** Whether attackers have the token of the application where they would have a user's. */
  asApplication: boolean;
  production: boolean;
  /** Of the search. */
  seed: number;
}

const TIMES = { attack: 10, quiet: 30, rest: 60, search: 120 };
const QUICK = { attack: 3, quiet: 5, rest: 2, search: 15 };

/**
 * `--quick`, `--only PART`, `--attack 10 --quiet 30 --rest 60 --search 120` (seconds), `--as-application`, `--production`,
 * `--seed N`.
 */
export function readOptions(args: readonly string[]): Options {
  const seconds = { type: 'string' } as const;
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: 'boolean' },
      only: { type: 'string' },
      'as-application': { type: 'boolean' },
      production: { type: 'boolean' },
      seed: { type: 'string' },
      attack: seconds,
      quiet: seconds,
      rest: seconds,
      search: seconds,
    },
  });
  const defaults = values.quick ? QUICK : TIMES;
  const time = (name: keyof typeof TIMES) => {
    const given = Number(values[name] ?? defaults[name]);
    if (!(given >= 0) || (name === 'attack' && given > 10))
      throw new Error(`--${name} is a number of seconds; an attack has at most 10`);
    return given * 1000;
  };
  const attacks = ATTACKS.filter(({ name }) => name.includes(values.only ?? ''));
  return {
    attacks,
    attack: time('attack'),
    quiet: time('quiet'),
    rest: time('rest'),
    search: time('search'),
    asApplication: values['as-application'] ?? false,
    production: values.production ?? false,
    seed: Number(values.seed ?? Date.now() % 1_000_000),
  };
}
