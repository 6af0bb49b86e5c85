import { expect, test } from 'vitest';
import {
  checkAll,
  type GroupState,
  type LoggedChange,
  type SnapshotSession,
  type TableGroup,
  type WatcherRecord,
} from '../soak/checker.ts';

const LOG: LoggedChange[] = [
  { gid: '1', version: 1, kind: 'GroupAdded', memberCount: 0, name: 'one' },
  { gid: '1', version: 2, kind: 'MembersAdded', memberCount: 2, added: ['ann', 'bob'], states: ['ann true', 'bob true'] },
  { gid: '2', version: 1, kind: 'GroupAdded', memberCount: 0, name: null },
  { gid: '1', version: 3, kind: 'MembersUpdated', memberCount: 2, states: ['bob false'] },
  { gid: '1', version: 4, kind: 'MembersRemoved', memberCount: 1, removed: ['ann'] },
  { gid: '2', version: 2, kind: 'GroupDeleted', memberCount: 0 },
  { gid: '1', version: 5, kind: 'GroupUpdated', memberCount: 1, name: 'uno' },
];
const TABLES: TableGroup[] = [
  { gid: '1', version: 5, deleted: false, name: 'uno', memberCount: 1, members: ['bob false'] },
  { gid: '2', version: 2, deleted: true, name: null, memberCount: 0, members: [] },
];

const one = (got: readonly LoggedChange[]): WatcherRecord => ({ name: 'one', from: new Map([['1', 1]]), all: false, got });
const all = (got: readonly LoggedChange[]): WatcherRecord => ({ name: 'all', from: new Map(), all: true, got });
const ofOne = LOG.filter(({ gid, version }) => gid === '1' && version > 1);
const at = (index: number, change: Partial<LoggedChange>) =>
  LOG.map((each, place) => (place === index ? { ...each, ...change } : each));

const two: WatcherRecord = { ...one(LOG.slice(5, 6)), name: 'two', from: new Map([['2', 1]]), completed: true };

/** Cut before Ready, cut behind it, and there to the end. */
const AT_3: GroupState = { version: 3, name: 'one', members: ['bob false', 'ann true'] };
const AT_4: GroupState = { version: 4, name: 'one', members: ['bob false'] };
const AT_5: GroupState = { version: 5, name: 'uno', members: ['bob false'] };
const SESSIONS: SnapshotSession[] = [
  { version: 1, got: ofOne.slice(0, 1), states: [] },
  { version: 2, got: ofOne.slice(1, 3), states: [AT_3] },
  { version: 4, got: ofOne.slice(3), states: [AT_4, AT_5] },
];
const snapshotsOf = (sessions: readonly SnapshotSession[]) => [{ name: 'pages', gid: '1', sessions }];

function faults({
  watchers = [one(ofOne), two, all(LOG)],
  snapshots = snapshotsOf(SESSIONS),
  log = LOG,
  tables = TABLES,
} = {}): string[] {
  return checkAll({ watchers, snapshots, log, tables }).map(({ kind, where, what }) => `${kind} ${where}: ${what}`);
}

test('what is right passes', () => {
  expect(faults()).toEqual([]);
  expect(faults({ watchers: [all([...LOG].sort((a, b) => Number(a.gid) - Number(b.gid)))] })).toEqual([]);
});

test.each<[string, WatcherRecord, string[]]>([
  ['a gap', one(ofOne.toSpliced(1, 1)), ['loss one: 1:3']],
  ['a missing end', all(LOG.slice(0, -1)), ['loss all: 1:5']],
  ['a group that is missing', all(LOG.filter(({ gid }) => gid === '1')), ['loss all: 2:1', 'loss all: 2:2']],
  ['a duplicate', one([...ofOne, ...ofOne.slice(-1)]), ['duplicate one: 1:5']],
  ['a duplicate in the middle', all([...LOG.slice(0, 4), ...LOG.slice(3)]), ['duplicate all: 1:3']],
  ['a swap', one([0, 2, 1, 3].map((index) => ofOne[index] as LoggedChange)), ['reorder one: 1:3 behind 4']],
  ['a wrong count', all(at(4, { memberCount: 7 })), ['difference all: 1:4 is not as logged']],
  ['another member', all(at(4, { removed: ['bob'] })), ['difference all: 1:4 is not as logged']],
  [
    'a record from before its cursor',
    one(LOG.filter(({ gid }) => gid === '1')),
    ['difference one: 1:1 is not in the log behind its beginning'],
  ],
  [
    'a record that nobody wrote',
    all([...LOG, { gid: '9', version: 1, kind: 'GroupAdded', memberCount: 0 }]),
    ['difference all: group 9 is not in the log'],
  ],
  ['a deletion without a completion', { ...two, completed: false }, ['difference two: no completion behind GroupDeleted']],
  ['a completion without a deletion', { ...one(ofOne), completed: true }, ['difference one: a completion without GroupDeleted']],
])('%s fails', (_, watcher, expected) => {
  expect(faults({ watchers: [watcher] })).toEqual(expected);
});

const session = (index: number, change: Partial<SnapshotSession>) =>
  SESSIONS.map((each, place) => (place === index ? { ...each, ...change } : each));
const NOT_THE_TABLES = 'difference pages: its end is not what the tables have';

test.each<[string, SnapshotSession[], string[]]>([
  ['a gap', session(1, { got: ofOne.slice(2, 3) }), ['loss pages: 1:3']],
  ['a missing end', session(2, { got: [], states: [AT_4] }), ['loss pages: 1:5', NOT_THE_TABLES]],
  ['a duplicate', session(1, { got: [...ofOne.slice(1, 3), ...ofOne.slice(2, 3)] }), ['duplicate pages: 1:4']],
  ['a swap', session(1, { got: ofOne.slice(1, 3).toReversed() }), ['reorder pages: 1:3 behind 4']],
  ['a change that the pages had', session(2, { version: 5 }), ['difference pages: 1:5 is not in the log behind its beginning']],
  [
    'pages without a member',
    session(1, { states: [{ ...AT_3, members: ['ann true'] }] }),
    ['difference pages: at version 3 it is not what the log comes to'],
  ],
  [
    'pages with another name',
    session(2, { states: [{ ...AT_4, name: 'uno' }, AT_5] }),
    ['difference pages: at version 4 it is not what the log comes to'],
  ],
  [
    'another end',
    session(2, { states: [AT_4, { ...AT_5, members: ['bob true'] }] }),
    ['difference pages: at version 5 it is not what the log comes to', NOT_THE_TABLES],
  ],
  ['no Ready at the end', session(2, { states: [] }), [NOT_THE_TABLES]],
  ['no session', [], [NOT_THE_TABLES]],
])('a watcher of snapshots with %s fails', (_, sessions, expected) => {
  expect(faults({ snapshots: snapshotsOf(sessions) })).toEqual(expected);
});

test.each<[string, LoggedChange[], RegExp]>([
  ['a gap', LOG.toSpliced(3, 1), /log group 1: record 3 has the version 4/],
  [
    'a swap',
    at(3, { version: 4 }).map((each, index) => (index === 4 ? { ...each, version: 3 } : each)),
    /log group 1: record 3 has the version 4/,
  ],
  ['a duplicate', LOG.toSpliced(3, 0, LOG[3] as LoggedChange), /log group 1: record 4 has the version 3/],
  ['a wrong count', at(4, { memberCount: 2 }), /tables replay: 1:4 counts 2 members; there are 1/],
])('a log with %s fails', (_, log, expected) => {
  expect(faults({ log, watchers: [], snapshots: [] }).join('\n')).toMatch(expected);
});

test.each<[string, Partial<TableGroup>, RegExp]>([
  ['another version', { version: 6 }, /version is 6/],
  ['another name', { name: 'x' }, /name is "x"/],
  ['a wrong count', { memberCount: 2 }, /member count is 2/],
  ['another member', { members: ['eve true'] }, /members is \["eve true"\]/],
  ['another permission', { members: ['bob true'] }, /members is \["bob true"\]/],
  ['a deleted group', { deleted: true }, /deleted is true/],
])('a table with %s fails', (_, change, expected) => {
  const tables = TABLES.map((table) => (table.gid === '1' ? { ...table, ...change } : table));
  expect(faults({ tables, watchers: [], snapshots: [] }).join('\n')).toMatch(expected);
});

test('a group without a table, and one without a log, fail', () => {
  expect(faults({ tables: TABLES.slice(0, 1), watchers: [] })).toEqual(['tables replay: group 2 is in the log only']);
  expect(faults({ log: LOG.filter(({ gid }) => gid === '1'), watchers: [] }).length).toBeGreaterThan(0);
});
