/** Thousands of requests, most of them broken somewhere: none ends in a 5xx, a crash or half a write. */
import { randomInt } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { sql } from '../setup/database.ts';
import { mutatedOp } from './mutated.ts';
import { type HttpRequest, type Json, openOps } from './setup.ts';

const SEED = Number(process.env['SEED'] ?? randomInt(2 ** 31));
// Other ones in each run: they get to every operation and every error, and few runs to what 10,000 in one do. REQUESTS: more.
const REQUESTS = Number(process.env['REQUESTS'] ?? 4_000);
const AT_ONCE = 8;

const lines: Json[] = [];
const ops = await openOps({ onLog: (line) => lines.push(line), level: 'warn' });
const { db } = ops.gateway;
const { token, viewer, json: sendJson } = await ops.app();
// Else requests that name them seldom meet anybody.
for (const address of ['u1', 'u2', 'u3'])
  expect(await sendJson({ op: 'useradd', user: { address } })).toMatchObject({ result: true });

const request = mutatedOp(token);

const CODES = ['BADOP', 'AUTHFAIL', 'MISSINGPARA', 'BADPARA', 'BADGROUP', 'BADUSER', 'NOTMEMBER'];

test(`${REQUESTS} mutated requests (seed ${SEED})`, async () => {
  const requests = fc.sample(request, { seed: SEED, numRuns: REQUESTS });
  const seen = new Map<string, number>();
  const failures: unknown[] = [];
  let next = 0;
  const worker = async () => {
    while (next < requests.length) {
      const sent = requests[next++] as HttpRequest;
      const answer: Json = await ops.answer(sent).catch((error: unknown) => ({ error }));
      const what = answer.result === true ? `ok ${answer['op']}` : String(answer['error']);
      seen.set(what, (seen.get(what) ?? 0) + 1);
      const told = answer.result === false && CODES.includes(what) && /^[A-Z].*\.$/.test(answer['error_description']);
      if (answer.result !== true && !told) {
        failures.push({ ...sent, body: sent.body && Buffer.from(sent.body).toString(), answer });
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  console.log(
    `seed ${SEED}: ${[...seen]
      .sort()
      .map(([what, times]) => `${what} ${times}`)
      .join(', ')}`,
  );
  expect(failures).toEqual([]);
  expect(lines).toEqual([]);
  expect([...seen.keys()]).toEqual(
    expect.arrayContaining([
      ...CODES,
      'ok groupadd',
      'ok groupset',
      'ok groupeditmembers',
      'ok groupdel',
      'ok userget',
      'ok usersget',
    ]),
  );

  const wrong = await sql(
    db,
    `select gid, version, member_count from groups g where
      version <> (select count(*) from changes c where (c.app_id, c.gid) = (g.app_id, g.gid))
      or version <> (select max(version) from changes c where (c.app_id, c.gid) = (g.app_id, g.gid))
      or member_count <> (select count(*) from members m where (m.app_id, m.gid) = (g.app_id, g.gid))
      or member_count <> (select c.member_count from changes c where (c.app_id, c.gid, c.version) = (g.app_id, g.gid, g.version))
      or (deleted_at is not null) <> exists (select from changes c where (c.app_id, c.gid, c.kind) = (g.app_id, g.gid, 3))`,
  );
  expect(wrong).toEqual([]);
  const kinds = await sql<{ kind: number; records: number }>(
    db,
    'select kind, count(*)::int as records from changes where app_id = $1 and kind in (1, 3) group by kind order by kind',
    [viewer.appId],
  );
  expect(kinds.map(({ records }) => records)).toEqual([seen.get('ok groupadd'), seen.get('ok groupdel')]);
}, 300_000);
