/** Generated and spoiled requests over real sockets: none ends in a 5xx, a crash, a word from within, or another app's data. */
import { expect, test } from 'vitest';
import { gatewayOn, openTestGateway } from '../setup/gateway.ts';
import { listen } from '../setup/listener.ts';
import { fuzz } from './run.ts';

const SEED = Number(process.env['SEED'] ?? 1_000);
const CASES = 1_200;

/** What is to be said at least once: else the generated requests do not get where they should. */
const SAID = [
  ...['data', 'event data', 'next data', 'data and errors', 'UNAUTHENTICATED', 'NOT_ALLOWED', 'INVALID_INPUT', 'LIMIT_EXCEEDED'],
  ...[
    'BAD_REQUEST',
    'GRAPHQL_PARSE_FAILED',
    'GRAPHQL_VALIDATION_FAILED',
    'OPERATION_RESOLUTION_FAILURE',
    'event GROUP_NOT_FOUND',
  ],
  ...[
    'HTTP 400',
    'HTTP 404',
    'HTTP 406',
    'HTTP 415',
    'HTTP 431',
    'closed 1002',
    'closed 4400',
    'closed 4401',
    'closed 4403',
    'left',
  ],
  ...['op BADOP', 'op BADPARA', 'op AUTHFAIL', 'op BADGROUP', 'op BADUSER', 'connection_ack', 'complete'],
];

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
  expect([...outcomes.keys()]).toEqual(expect.arrayContaining(SAID));
});
