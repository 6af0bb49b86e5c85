import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { databaseKind, sql } from '../setup/database.ts';
import { openTestGateway } from '../setup/gateway.ts';
import { listen, TRANSPORTS, until, type Watch, type WatchedEvent, watchOver } from '../setup/watch.ts';
import { addGroup, addresses, editMembers } from './setup.ts';

const gateway = await openTestGateway();
const server = await listen(gateway);
const caller = await gateway.caller();
const SIZE = databaseKind === 'postgres' ? 100_000 : 20_000;
// One for both transports: to make it takes as long as the rest.
const everyone = addresses(SIZE);
const { gid } = await addGroup(caller, { members: [{ addresses: everyone }] });
let written = 0;

const MEMBERS = 'members { address permissions { send } }';
const QUERY = `subscription ($gid: ID!, $after: Cursor, $snapshot: Boolean) {
  groupChanges(gid: $gid, after: $after, snapshot: $snapshot) {
    __typename cursor version ... on GroupSnapshot { page ${MEMBERS} }
    ... on MembersAdded { ${MEMBERS} } ... on MembersUpdated { ${MEMBERS} } ... on MembersRemoved { addresses }
  }
}`;

/** The members as a client has them that follows the stream. */
function replay(events: readonly WatchedEvent[]): string[] {
  const state = new Map<string, boolean>();
  for (const { page, members = [], addresses: gone = [] } of events) {
    if (page === 1) state.clear();
    for (const { address, permissions } of members) state.set(address, permissions.send);
    for (const address of gone) state.delete(address);
  }
  return [...state].map(([address, send]) => `${address} ${send}`).sort();
}

const pages = ({ events }: Watch) => events.filter(({ __typename }) => __typename === 'GroupSnapshot');

test.each(TRANSPORTS)(
  'a snapshot of a big group while members come and go, cut in the middle, over %s',
  async (transport) => {
    let writing = true;
    const writer = (async () => {
      for (; writing; written++) {
        const some = Array.from({ length: 10 }, (_, n) => (written * 7919 + n * 104_729) % SIZE).map(
          (n) => addresses(1, `${n}-`)[0] as string,
        );
        const members = everyone.filter((_, n) => n % 997 === written % 997);
        await editMembers(caller, {
          gid,
          add: [{ addresses: [...new Set(some)] }, { addresses: members.slice(0, 10), permissions: { send: written % 2 === 0 } }],
          remove: members.slice(10),
        });
        await sleep(1); // PGlite alone never gives the event loop back
      }
    })();
    const cut = watchOver(transport, server, caller.token, QUERY, { gid, snapshot: true });
    await cut.until(() => pages(cut).length >= 5);
    await cut.stop();
    const atCut = written;
    await until(() => written > atCut + 1);
    // What it has of the snapshot when it goes, however much was on the way.
    const part = cut.events.slice(0, 5);
    const whole = watchOver(transport, server, caller.token, QUERY, { gid, snapshot: true });
    const resumed = watchOver(transport, server, caller.token, QUERY, { gid, after: part.at(-1)?.['cursor'] });
    await Promise.all([whole, resumed].map((watch) => watch.ready()));
    const atReady = written;
    await until(() => written > atReady + 3);
    writing = false;
    await writer;
    const rows = await sql<{ member: string }>(
      gateway.db,
      `select address || ' ' || ((permissions & 1) = 1)::text as member from members where gid = $1`,
      [gid],
    );
    const table = rows.map(({ member }) => member).sort();
    const [group] = await sql<{ version: number }>(gateway.db, 'select version from groups where gid = $1', [gid]);
    for (const watch of [whole, resumed]) {
      await watch.until((events) => events.at(-1)?.['version'] === group?.version);
      const versions = new Set(pages(watch).map(({ version }) => version));
      expect(versions.size).toBe(1);
      expect(pages(watch).map(({ page }) => page)).toEqual(Array.from(pages(watch), (_, index) => index + 1));
      expect(pages(watch).length).toBeGreaterThan(5);
      expect(replay(watch.events)).toEqual(table);
      await watch.stop();
    }
    expect(pages(resumed)[0]?.['version']).toBeGreaterThan(part[0]?.['version']);
    expect(replay([...part, ...resumed.events])).toEqual(table);
  },
  120_000,
);
