/** Bodies that would have taken all memory, sent to a gateway in a process of its own with a heap of 256 MiB. */
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import { postgresUrl } from '../setup/database.ts';
import { post, startServer } from '../setup/server.ts';

const MIB = 1024 * 1024;
const TOKEN = 'heap-token-heap-token-heap-token-heap';
/** What a flood may add to the resident memory, in MiB: the room for bodies of nobody known, and what sockets read at once. */
const MOST = 200;

const server = await startServer({
  ...{ DATABASE_URL: await postgresUrl(), APP_TOKEN: TOKEN, BODY_WAIT: '1' },
  NODE_OPTIONS: '--max-old-space-size=256',
});

/** The most memory that the process has ever had resident, in MiB; only Linux tells. */
function peak(): number | undefined {
  if (process.platform !== 'linux') return undefined;
  const [, kib] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${server.pid}/status`, 'utf8')) ?? [];
  return Number(kib) / 1024;
}

afterEach(async () => {
  const { data } = await post(server.url, TOKEN, '{ viewer { app { name } } }');
  expect(data).toEqual({ viewer: { app: { name: 'default' } } });
  expect(server.stdout()).not.toContain('"level":50');
});

interface Flood {
  sent: number;
  /** How many answers have a text in them. */
  answered(text: string): number;
  closed: number;
  stop(): void;
}

/** Sends the same piece again and again on many connections, as fast as the gateway takes it. */
function flood(connections: number, head: string, piece: string, pieces: number): Flood {
  const answers: string[] = Array.from({ length: connections }, () => '');
  const all: Flood = { sent: 0, closed: 0, answered: (text) => answers.filter((each) => each.includes(text)).length, stop };
  const sockets = answers.map((_, n) => {
    const socket = connect(server.port, '127.0.0.1', () => socket.write(head));
    let left = pieces;
    const more = () => {
      while (left > 0 && !socket.destroyed) {
        left--;
        all.sent += piece.length;
        if (!socket.write(piece)) return;
      }
    };
    socket
      .on('connect', more)
      .on('drain', more)
      .on('error', () => {});
    socket.on('data', (data) => {
      answers[n] = `${answers[n]}${data}`;
    });
    return socket.on('close', () => all.closed++);
  });
  function stop() {
    for (const socket of sockets) socket.destroy();
  }
  return all;
}

const settled = async (condition: () => boolean) => {
  for (let n = 0; n < 600 && !condition(); n++) await sleep(50);
};

test('five connections that send chunks of one byte are cut', async () => {
  const before = peak() ?? 0;
  for (const path of ['/backend', '/graphql']) {
    const head = `POST ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${TOKEN}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n`;
    // 17 MiB each on the wire, as it was measured.
    const crumbs = flood(5, head, '1\r\n \r\n'.repeat(10_000), 300);
    await settled(() => crumbs.closed === 5);
    expect(crumbs.closed).toBe(5);
  }
  expect((peak() ?? 0) - before).toBeLessThan(MOST);
});

test('of 120 bodies of 8 MiB to /backend without a token few are read at a time, the others wait or are refused', async () => {
  const before = peak() ?? 0;
  const head = `POST /backend HTTP/1.1\r\nHost: x\r\nContent-Length: ${8 * MIB}\r\n\r\n`;
  // All but its last bytes, so that none ends. With 300 of them the peak was 175 MiB above what it was before.
  const bodies = flood(120, head, ' '.repeat(64 * 1024), 127);
  await settled(() => bodies.answered('RATELIMIT') > 90);
  expect(bodies.answered('RATELIMIT')).toBeGreaterThan(90);
  expect((peak() ?? 0) - before).toBeLessThan(MOST);
  bodies.stop();
});
