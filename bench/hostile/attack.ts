import type { Attacker } from './attacker.ts';

export interface Attack {
  name: string;
  /** What the attacker has: no token, that of a user, or that of an application. */
  by: 'nobody' | 'user' | 'application';
  /** Ends when the attack is over, or before. What fails is counted, not thrown. */
  run(attacker: Attacker): Promise<unknown>;
}

export const times = (count: number, field: (n: number) => string) => Array.from({ length: count }, (_, n) => field(n)).join(' ');
