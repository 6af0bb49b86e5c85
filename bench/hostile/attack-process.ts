/** One attack, in a process that gives way to the gateway's, and takes all its connections with it when it ends. */
import { setPriority } from 'node:os';
import { type Asked, Attacker, type Outcomes } from './attacker.ts';
import { ATTACKS } from './attacks.ts';
import type { Targets } from './targets.ts';

export interface Order {
  /** The name of an attack, or an operation to be sent by as many at once. */
  attack: string | { query: string; atOnce: number };
  targets: Targets;
  milliseconds: number;
}

async function carryOut({ attack: order, targets, milliseconds }: Order): Promise<Outcomes> {
  const attacker = new Attacker(targets, milliseconds);
  const attack = typeof order === 'string' ? ATTACKS.find(({ name }) => name === order) : undefined;
  const run = async () => {
    if (attack) return attack.run(attacker);
    if (typeof order === 'string') throw new Error(`There is no attack ${order}`);
    const asked: Asked = { token: targets.user, body: { query: order.query } };
    return attacker.flood(order.atOnce, () => attacker.ask(asked));
  };
  await Promise.race([run(), attacker.wait()]);
  attacker.end();
  return attacker.outcomes;
}

setPriority(10);
process.once('message', async (order: Order) => {
  const outcomes = await carryOut(order);
  process.send?.(outcomes, () => process.exit());
});
process.once('disconnect', () => process.exit());
