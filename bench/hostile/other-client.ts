/**
 * The other client, in a process of its own so that what it waits for is the gateway: a backend of another app that reads 20
 * times a second and writes. It sends by the clock, not when the last answer came, so that a stall is felt by all whom it meets.
 */
import { Agent, request } from 'node:http';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Targets } from './targets.ts';

export type Told = { kind: 'begin'; targets: Targets; writesASecond: number } | { kind: 'mark' } | { kind: 'report' };

/** Of what was sent since the mark, milliseconds. */
export interface Waits {
  reads: number[];
  writes: number[];
  /** What was no good answer, with how often. */
  failures: Record<string, number>;
  /** The longest that this client was kept by itself, or by the machine. */
  ownDelay: number;
}

const READS_A_SECOND = 20;
const GIVE_UP = 30_000;
/** Nobody else's: attackers come from 127.0.0.1 and 127.1.0.0/16. */
const ADDRESS = '127.0.0.2';
const agent = new Agent({ keepAlive: true, localAddress: ADDRESS });
const own = monitorEventLoopDelay({ resolution: 5 });
own.enable();

const READS = [
  '{ viewer { app { name } } }',
  'query ($gid: ID!) { group(gid: $gid) { name memberCount version } }',
  'query ($gid: ID!) { groupGetMembers(gid: $gid, first: 10) { edges { node { address } } } }',
  'query ($gid: ID!) { group(gid: $gid) { permission(address: "member-000001", action: SEND) { allowed } } }',
];
const WRITE =
  'mutation ($input: GroupEditMembersInput!) { groupEditMembers(input: $input) { __typename ... on Error { code } } }';

let targets: Targets;
let since = performance.now();
let waits: Waits = { reads: [], writes: [], failures: {}, ownDelay: 0 };
const open = new Set<Promise<void>>();

function send(kind: 'reads' | 'writes', body: object, path = '/graphql'): void {
  const begun = performance.now();
  const over = (failure?: string) => {
    if (begun < since) return;
    waits[kind].push(performance.now() - begun);
    if (failure) waits.failures[failure] = (waits.failures[failure] ?? 0) + 1;
  };
  const answered = new Promise<void>((resolve) => {
    const headers = { 'Content-Type': 'application/json', Authorization: `Bearer ${targets.other.token}` };
    const sent = request(new URL(path, targets.url), { method: 'POST', agent, headers, timeout: GIVE_UP }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part) => {
        text += part;
      });
      response.on('close', () => {
        const code = /"(?:code|error)":"(\w+)"/.exec(text)?.[1];
        over(response.complete && response.statusCode === 200 && !code ? undefined : `${response.statusCode} ${code ?? ''}`);
        resolve();
      });
    });
    sent.on('timeout', () => sent.destroy(new Error('no answer')));
    sent.on('error', ({ message }) => {
      over(message);
      resolve();
    });
    sent.end(JSON.stringify(body));
  });
  open.add(answered);
  void answered.then(() => open.delete(answered));
}

let turn = 0;
function read(): void {
  const { token, gid } = targets.other;
  const query = READS[turn++ % (READS.length + 1)];
  if (query) send('reads', { query, variables: { gid } });
  else send('reads', { op: 'groupget', token, group: { gid: Number(gid) } }, '/backend');
}
const write = () => {
  const edit = { addresses: [`visitor-${turn++ % 7}`], permissions: { send: turn % 2 === 0 } };
  send('writes', { query: WRITE, variables: { input: { gid: targets.other.gid, add: [edit] } } });
};

process.on('message', async (told: Told) => {
  if (told.kind === 'begin') {
    targets = told.targets;
    setInterval(read, 1000 / READS_A_SECOND);
    setInterval(write, 1000 / told.writesASecond);
  } else if (told.kind === 'mark') {
    since = performance.now();
    waits = { reads: [], writes: [], failures: {}, ownDelay: 0 };
    own.reset();
  } else {
    const report = waits;
    await Promise.all(open); // what still waits belongs to it
    since = performance.now();
    process.send?.({ ...report, ownDelay: own.max / 1e6 });
  }
});
process.once('disconnect', () => process.exit());
