/** Judges a soak: what each watcher got against the log, and the log replayed against the tables. */

/** A record, or the part of it that is compared. */
export interface LoggedChange {
  gid: string;
  version: number;
  kind: string;
  /** The group's members after it; a watcher is told only with changes of members. */
  memberCount?: number;
  /** Who came, by a MembersAdded. */
  added?: readonly string[];
  /** Who went, by a MembersRemoved. */
  removed?: readonly string[];
  /** The members' send permission, by a MembersUpdated or MembersAdded: `address send`. */
  states?: readonly string[];
  name?: string | null;
}

export interface TableGroup {
  gid: string;
  version: number;
  deleted: boolean;
  name: string | null;
  memberCount: number;
  /** `address send` of each, in any order. */
  members: readonly string[];
}

export interface WatcherRecord {
  name: string;
  /** Behind which version it began, for each group that it watches; 0 for a group that came later. */
  from: ReadonlyMap<string, number>;
  /** Whether it watches groups that came later, too. */
  all: boolean;
  got: readonly LoggedChange[];
  /** Whether its stream came to its end by itself, as behind a GroupDeleted; never that of a whole app. */
  completed?: boolean;
}

/** What a watcher makes of its group. */
export interface GroupState {
  version: number;
  name: string | null;
  /** `address send` of each, in any order. */
  members: readonly string[];
}

/** One connection of a watcher that begins anew with a snapshot each time. */
export interface SnapshotSession {
  /** That of the snapshot's pages. */
  version: number;
  /** What came behind the pages. */
  got: readonly LoggedChange[];
  /** At Ready and, of the last session, at the end. */
  states: readonly GroupState[];
}

export interface SnapshotRecord {
  name: string;
  gid: string;
  sessions: readonly SnapshotSession[];
}

export type FaultKind = 'loss' | 'duplicate' | 'reorder' | 'difference' | 'log' | 'tables';

export interface Fault {
  kind: FaultKind;
  where: string;
  what: string;
}

const key = ({ gid, version }: LoggedChange) => `${gid}:${version}`;
const byGroup = (changes: readonly LoggedChange[]) => Map.groupBy(changes, ({ gid }) => gid);

/** Whether a change is as it was logged, in all that a watcher is told. */
function isAsLogged(change: LoggedChange, logged: LoggedChange): boolean {
  return Object.entries(change).every(([field, value]) => JSON.stringify(value) === JSON.stringify(logged[field as 'gid']));
}

/** That each group's records are numbered 1, 2, 3 … */
export function checkLog(log: readonly LoggedChange[]): Fault[] {
  const faults: Fault[] = [];
  for (const [gid, changes] of byGroup(log)) {
    changes.forEach(({ version }, index) => {
      if (version === index + 1) return;
      faults.push({ kind: 'log', where: `group ${gid}`, what: `record ${index + 1} has the version ${version}` });
    });
  }
  return faults;
}

/** That a watcher got every record of what it watches once and in order. */
export function checkWatcher({ name, from, all, got, completed = false }: WatcherRecord, log: readonly LoggedChange[]): Fault[] {
  const faults: Fault[] = [];
  const say = (kind: FaultKind, what: string) => faults.push({ kind, where: name, what });
  const logged = byGroup(log);
  const seen = byGroup(got);
  for (const gid of seen.keys()) if (!logged.has(gid)) say('difference', `group ${gid} is not in the log`);
  for (const [gid, changes] of logged) {
    if (!all && !from.has(gid)) continue;
    const wanted = changes.filter(({ version }) => version > (from.get(gid) ?? 0));
    const mine = seen.get(gid) ?? [];
    const times = new Map<string, number>();
    let highest = 0;
    for (const change of mine) {
      const count = (times.get(key(change)) ?? 0) + 1;
      times.set(key(change), count);
      if (count > 1) say('duplicate', key(change));
      else if (change.version < highest) say('reorder', `${key(change)} behind ${highest}`);
      highest = Math.max(highest, change.version);
    }
    for (const change of wanted) if (!times.has(key(change))) say('loss', key(change));
    const places = new Map(wanted.map((change) => [change.version, change]));
    for (const change of mine) {
      const original = places.get(change.version);
      if (!original) say('difference', `${key(change)} is not in the log behind its beginning`);
      else if (!isAsLogged(change, original)) say('difference', `${key(change)} is not as logged`);
    }
    const deleted = !all && changes.at(-1)?.kind === 'GroupDeleted';
    if (deleted !== completed)
      say('difference', deleted ? 'no completion behind GroupDeleted' : 'a completion without GroupDeleted');
  }
  return faults;
}

interface Replayed {
  name: string | null;
  deleted: boolean;
  members: Map<string, string>;
}

/** What the records of one group come to. */
function replay(changes: readonly LoggedChange[], gid: string, say: (what: string) => void): Replayed {
  const state: Replayed = { name: null, deleted: false, members: new Map() };
  for (const { kind, version, added = [], removed = [], states = [], name, memberCount } of changes) {
    for (const address of added) {
      if (state.members.has(address)) say(`${gid}:${version} adds ${address}, who is a member`);
      state.members.set(address, '');
    }
    for (const address of removed) if (!state.members.delete(address)) say(`${gid}:${version} removes ${address}, who is none`);
    for (const text of states) {
      const address = text.slice(0, text.lastIndexOf(' '));
      if (!state.members.has(address)) say(`${gid}:${version} updates ${address}, who is none`);
      state.members.set(address, text);
    }
    if (name !== undefined) state.name = name;
    if (kind === 'GroupDeleted') state.deleted = true;
    if (memberCount !== state.members.size)
      say(`${gid}:${version} counts ${memberCount} members; there are ${state.members.size}`);
  }
  return state;
}

/** That the log replayed equals the tables. */
export function checkTables(log: readonly LoggedChange[], tables: readonly TableGroup[]): Fault[] {
  const faults: Fault[] = [];
  const say = (what: string) => faults.push({ kind: 'tables', where: 'replay', what });
  const logged = byGroup(log);
  for (const table of tables) {
    const changes = logged.get(table.gid) ?? [];
    const state = replay(changes, table.gid, say);
    const found = [table.version, table.deleted, table.name, table.memberCount, [...table.members].sort()];
    const come = [changes.length, state.deleted, state.name, state.members.size, [...state.members.values()].sort()];
    for (const [index, what] of ['version', 'deleted', 'name', 'member count', 'members'].entries()) {
      const [a, b] = [JSON.stringify(found[index]), JSON.stringify(come[index])];
      if (a !== b) say(`group ${table.gid}: ${what} is ${a.slice(0, 200)}, the log comes to ${b.slice(0, 200)}`);
    }
  }
  const known = new Set(tables.map(({ gid }) => gid));
  for (const gid of logged.keys()) if (!known.has(gid)) say(`group ${gid} is in the log only`);
  return faults;
}

const stateText = ({ version, name, members }: GroupState) => JSON.stringify({ version, name, members: [...members].sort() });

/** What the log comes to at a version. */
function stateAt(changes: readonly LoggedChange[], gid: string, version: number): GroupState {
  const { name, members } = replay(changes.slice(0, version), gid, () => {});
  return { version, name, members: [...members.values()] };
}

/**
 * That each session of a watcher with snapshots got what is behind its snapshot once and in order, up to where it was cut,
 * and knew at Ready what the log comes to; and that the last one had everything, and ended with what the tables have.
 */
export function checkSnapshots(
  { name, gid, sessions }: SnapshotRecord,
  log: readonly LoggedChange[],
  tables: readonly TableGroup[],
): Fault[] {
  const faults: Fault[] = [];
  const say = (kind: FaultKind, what: string) => faults.push({ kind, where: name, what });
  const changes = log.filter((change) => change.gid === gid);
  sessions.forEach(({ version, got, states }, index) => {
    const isLast = index === sessions.length - 1;
    const reached = isLast ? Number.POSITIVE_INFINITY : Math.max(version, ...got.map((change) => change.version));
    const known = changes.filter((change) => change.version <= reached);
    faults.push(...checkWatcher({ name, from: new Map([[gid, version]]), all: false, got }, known));
    for (const state of states) {
      if (stateText(state) !== stateText(stateAt(changes, gid, state.version)))
        say('difference', `at version ${state.version} it is not what the log comes to`);
    }
  });
  const table = tables.find((each) => each.gid === gid);
  const final = sessions.at(-1)?.states.at(-1);
  if (!final || !table || stateText(final) !== stateText(table)) say('difference', 'its end is not what the tables have');
  return faults;
}

export interface Soaked {
  watchers: readonly WatcherRecord[];
  snapshots: readonly SnapshotRecord[];
  log: readonly LoggedChange[];
  tables: readonly TableGroup[];
}

export function checkAll({ watchers, snapshots, log, tables }: Soaked): Fault[] {
  return [
    ...checkLog(log),
    ...checkTables(log, tables),
    ...watchers.flatMap((watcher) => checkWatcher(watcher, log)),
    ...snapshots.flatMap((watcher) => checkSnapshots(watcher, log, tables)),
  ];
}
