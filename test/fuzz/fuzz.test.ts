/** Generated and spoiled requests over real sockets: none ends in a 5xx, a crash, a word from within, or another app's data. */
import { expect, test } from 'vitest';
import { gatewayOn, openTestGateway } from '../setup/gateway.ts';
import { listen } from '../setup/listener.ts';
import { fuzz } from './run.ts';

const SEED = Number(process.env['SEED'] ?? 1_000);
const CASES = 1_200;

const lines: string[] = [];
const onLog = (line: object) => lines.push(JSON.stringify(line));
const gateway = await openTestGateway({ onLog, level: 'error' });
const production = gatewayOn(gateway.db, {
  onLog,
  level: 'error',
  config: { production: true, introspection: 'app', graphiql: false },
});
const ports = [(await listen(gateway)).port, (await listen(production)).port];

test(`${CASES} cases (seed ${SEED})`, async () => {
  const { played, faults, outcomes } = await fuzz(
    { db: gateway.db, ports, trouble: () => lines.splice(0) },
    { seed: SEED, from: 0, to: CASES },
  );
  console.log(
    `seed ${SEED}: ${[...outcomes]
      .sort()
      .map(([what, times]) => `${what} ${times}`)
      .join(', ')}`,
  );
  expect(faults, `npm run fuzz -- --seed ${SEED} --case N plays one again`).toEqual([]);
  expect(played).toBe(CASES);
});
