/**
 * Whom a message goes to in turn, against the pure module, in generated groups. Repeated turns meet exactly those for whom
 * RECV is a yes, but for the sender, in order of joining and around, wherever the turn is before; with `among` those of them
 * whom it names.
 */
import { randomInt } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { routeMessage } from '../src/groups/routing/route-message.ts';
import type { Level } from '../src/model/flags.ts';
import { createViewer, openTestDatabase, sql } from './setup/database.ts';
import { decided, type GroupModel, groupArbitrary, makeGroups, TYPES } from './setup/decisions.ts';
import { StatementRecorder } from './setup/recorder.ts';

const recorder = new StatementRecorder();
const db = await openTestDatabase({ observe: recorder.observe });
const { viewer } = await createViewer(db);
const SEED = Number(process.env['SEED'] ?? randomInt(2 ** 31));
let messages = 0;
afterAll(() => console.log(`seed ${SEED}: ${messages} messages`));

/** Messages of one sender. */
interface Messages {
  model: GroupModel;
  messageType: number;
  from: string;
  among: string[];
  /** The joining number of the last receiver before the first of them; that one may have left. */
  last: number;
}

/** The levels of recv in the group's set and in the message type's, if it has one. */
type RecvLevels = [group: Level, type: Level | undefined];

/** In force, and anyone may send. */
function inTurns(model: GroupModel, messageType: number, [group, type]: RecvLevels): GroupModel {
  const { [messageType]: _, ...others } = model.types;
  return {
    ...model,
    active: true,
    startsIn: -3600,
    expiresIn: 3600,
    levels: { ...model.levels, send: 2, recv: group },
    types: type === undefined ? others : { ...others, [messageType]: { send: 2, recv: type } },
  };
}

function messagesIn(model: GroupModel, messageType: number): fc.Arbitrary<Messages> {
  const members = Object.keys(model.members);
  return fc.record({
    model: fc.constant(model),
    messageType: fc.constant(messageType),
    from: fc.constantFrom('a stranger', ...members),
    among: fc.shuffledSubarray(['a stranger', 'another', ...members]),
    last: fc.integer({ min: 1, max: members.length + 1 }),
  });
}

function messagesArbitrary(levels: RecvLevels, groups = groupArbitrary, types = TYPES): fc.Arbitrary<Messages> {
  return fc
    .record({ model: groups, messageType: fc.constantFrom(...types) })
    .chain(({ model, messageType }) => messagesIn(inTurns(model, messageType, levels), messageType));
}

/** Who is to receive, each once, from the turn on. The joining numbers are those of the members in the model, from 1. */
function lapOf({ model, messageType, from, last }: Messages, among?: string[]): string[] {
  const order = Object.keys(model.members);
  const may = order.filter(
    (address) => decided(model, address, 'recv', messageType).allowed && address !== from && (among?.includes(address) ?? true),
  );
  const behind = may.filter((address) => order.indexOf(address) + 1 > last);
  return [...behind, ...may.slice(0, may.length - behind.length)];
}

/** Puts both turns there that a message may count among. */
const putTurns = (gid: number, { messageType, last }: Messages) =>
  sql(
    db,
    `insert into routing_turns (app_id, gid, message_type, last) select distinct $1::int, $2::bigint, unnest($3::int[]), $4::bigint
      on conflict (app_id, gid, message_type) do update set last = excluded.last`,
    [viewer.appId, gid, [0, messageType], last],
  );

async function receivers(gid: number, { messageType, from }: Messages, count: number, among?: string[]): Promise<string[]> {
  const found: string[] = [];
  for (let message = 0; message < count; message++) {
    const { receiver } = await routeMessage(db, viewer, { gid: String(gid), from, messageType, among });
    if (receiver) found.push(receiver.address);
  }
  messages += count;
  return found;
}

/** Made beside each group, since makeGroups wants rows of every kind; its member is none of the group that is asked. */
const ANOTHER: GroupModel = {
  levels: { send: 0, recv: 2, pub: 0, sub: 0, list: 0 },
  active: true,
  startsIn: -3600,
  expiresIn: 3600,
  types: { 7: { send: 0, recv: 2 } },
  members: { another: { permissions: 31, entries: { 7: 3 } } },
};

/** Once around and one more, or the first few. */
async function check(given: Messages, most = Number.POSITIVE_INFINITY): Promise<void> {
  const [gid = 0] = await makeGroups(db, viewer, [given.model, ANOTHER]);
  for (const among of [undefined, given.among]) {
    await putTurns(gid, given);
    const lap = lapOf(given, among);
    const count = Math.min(lap.length + 1, most);
    expect(await receivers(gid, given, count, among)).toEqual([...lap, ...lap.slice(0, 1)].slice(0, count));
  }
}

describe(`the turn meets those whom the pure module allows, in order of joining (seed ${SEED})`, () => {
  test.each<RecvLevels>([
    [2, undefined],
    [2, 0],
    [2, 1],
    [2, 2],
    [0, 2],
    [1, 2],
  ])('recv %s in the group’s set and %s in the type’s', async (...levels) => {
    const types = levels[1] === undefined ? [0, ...TYPES] : TYPES;
    const property = fc.asyncProperty(messagesArbitrary(levels, groupArbitrary, types), (given) => check(given));
    // Where all receive there is less to go wrong, and the way around is longest.
    await fc.assert(property, { seed: SEED, numRuns: levels.includes(1) ? 6 : 2, unbiased: true });
  });

  const MANY = 2_000;
  const [TYPE = 7] = TYPES;
  /** Each receives with an even chance, so that about 1,000 do: 500 are gathered, among more the next is looked for one by one. */
  const manyMembers = fc
    .array(fc.record({ permissions: fc.integer({ min: 0, max: 31 }), entry: fc.integer({ min: 0, max: 3 }) }), {
      minLength: MANY,
      maxLength: MANY,
    })
    .map((all) => all.map(({ permissions, entry }) => ({ permissions, entries: { [TYPE]: entry } })))
    // They do not join in order of address.
    .map((all) => Object.fromEntries(all.map((member, index) => [`m${(index * 7) % MANY}`, member])));

  test.each<RecvLevels>([
    [2, 1],
    [1, 2],
  ])('of many members too: recv %s and %s', async (...levels) => {
    const groups = fc
      .record({ model: groupArbitrary, members: manyMembers })
      .map(({ model, members }) => ({ ...model, members }));
    const property = fc.asyncProperty(messagesArbitrary(levels, groups, [TYPE]), async (given) => {
      expect(lapOf(given).length).toBeGreaterThan(500);
      await check(given, 6);
    });
    await fc.assert(property, { seed: SEED, numRuns: 1, endOnFailure: true, unbiased: true });
  });

  // Otherwise some of the statements would be checked by nothing.
  test('every statement was asked', () => {
    const claims = recorder.statements.map(({ name }) => name).filter((name) => name.startsWith('turn_claim_'));
    const forms = ['all', 'permission', 'entry'].flatMap((form) => [`turn_claim_${form}`, `turn_claim_among_${form}`]);
    expect(new Set(claims)).toEqual(new Set(forms));
  });
});
