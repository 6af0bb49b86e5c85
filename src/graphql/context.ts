import DataLoader from 'dataloader';
import { pageTokensOf } from '../access/read-tokens.ts';
import { findUsers, type User } from '../access/users.ts';
import { databaseOf, type Viewer, type ViewerToken } from '../access/viewer.ts';
import { type HistoryArgs, pageHistories, type RecordedChange } from '../changes/log/history.ts';
import { findTypesAt, VERSIONS_A_STATEMENT, type VersionKey } from '../changes/log/recorded-types.ts';
import type { RecordedType } from '../changes/log/records.ts';
import type { WatchHub } from '../changes/streams/hub.ts';
import type { Database } from '../db/client.ts';
import { type AllowedArgs, pageAllowed } from '../groups/read/allowed.ts';
import { findGroups, findTypes, type GroupPageArgs, pageGroupsOf } from '../groups/read/groups.ts';
import { type EntryKey, findEntries, findMembers, type MemberPageArgs, pageMembersOfMany } from '../groups/read/members.ts';
import { findStandings, type Standing } from '../groups/read/standings.ts';
import { ROWS_A_STATEMENT } from '../groups/write/group-write.ts';
import type { Group, GroupLimits, TypeLevels } from '../model/group.ts';
import type { Member, MemberKey } from '../model/member.ts';
import { type Page, type PageArgs, pageSize } from '../model/page.ts';
import { Pace } from './pace.ts';

/** The context of resolvers. They pass the database on to services and never call it. */
export interface Context {
  /** For this operation. */
  readonly db: Database;
  readonly requestId: string;
  readonly viewer: Viewer;
  readonly limits: GroupLimits;
  /** For streams. */
  readonly hub: WatchHub;
  /** The cursor from which an SSE client that reconnects wants to continue. */
  readonly lastEventId?: string | null;
  /** The cursor of the event that is being delivered, for its transport. */
  cursor?: string;
  /** Batches and caches reads within one request; a mutation begins with fresh ones. */
  load: Loaders;
}

export interface Loaders {
  /** At which long lists are completed. */
  pace: Pace;
  group: DataLoader<number, Group | undefined>;
  types: DataLoader<number, ReadonlyMap<number, TypeLevels>>;
  /** The sets of message types as they were at a version. */
  typesAt: DataLoader<VersionKey, readonly RecordedType[], string>;
  member: DataLoader<MemberKey, Member | undefined, string>;
  entry: DataLoader<EntryKey, number | undefined, string>;
  standing: DataLoader<EntryKey, Standing | undefined, string>;
  /** A page of a group's members: one statement for all groups with the same arguments. The viewer must see the groups. */
  members(gid: number, args: MemberPageArgs): Promise<Page<Member>>;
  /** The same for change records. */
  changes(gid: number, args: HistoryArgs): Promise<Page<RecordedChange>>;
  /** The same for the members that are allowed an action. */
  allowed(group: Group, args: AllowedArgs): Promise<Page<Member>>;
  /** A user, for a viewer that may see users; by address, whatever that is. */
  user: DataLoader<string, User | undefined>;
  /** A page of the groups that a user is a member of: one statement for all users with the same arguments. */
  groupsOf(address: string, args: GroupPageArgs): Promise<Page<Group>>;
  /** The same of its tokens. */
  tokensOf(address: string, args: PageArgs): Promise<Page<ViewerToken>>;
}

export interface ContextOptions extends Omit<Context, 'viewer' | 'load'> {
  /** null only for an operation that selects only the schema, which calls no resolver of ours. */
  viewer: Viewer | null;
  /** Aborted when the client does not wait for the answer any longer. */
  signal?: AbortSignal;
}

export function createContext({ viewer, signal, ...given }: ContextOptions): Context {
  if (!viewer) return { ...given, viewer: null as unknown as Viewer, load: {} as Loaders };
  const db = databaseOf(given.db, viewer, signal);
  return { ...given, db, viewer, load: createLoaders(db, viewer) };
}

const emptyPage = <T>(): Page<T> => ({ items: [], cursorOf: () => '', hasNextPage: () => false, hasPreviousPage: () => false });

/** Loaders for the payload of a user that has just left the group: it sees the settings, and of the members only itself. */
export function loadersWithoutMembers(db: Database, viewer: Viewer): Loaders {
  const nothing = <K, V, C = K>() => new DataLoader<K, V | undefined, C>(async (keys) => keys.map(() => undefined));
  const { pace, types, typesAt, standing } = createLoaders(db, viewer);
  return {
    pace,
    group: nothing(),
    types,
    typesAt,
    member: nothing(),
    entry: nothing(),
    // Of others it is told what holds of anyone: as in the payload's lists, they are no members.
    standing: new DataLoader(async (keys) => {
      const found = await standing.loadMany(keys);
      return found.map((one, index) =>
        one === undefined || one instanceof Error || keys[index]?.address === viewer.address
          ? one
          : { ...one, member: undefined },
      );
    }),
    members: async () => emptyPage(),
    changes: async () => emptyPage(),
    allowed: async () => emptyPage(),
    user: nothing(),
    groupsOf: async () => emptyPage(),
    tokensOf: async () => emptyPage(),
  };
}

const memberKey = ({ gid, address }: MemberKey) => `${gid} ${address}`;
const entryKey = (key: EntryKey) => `${key.messageType} ${memberKey(key)}`;

/** As many pages as one statement may read; each page reads one item more than it returns. */
const pagesAtOnce = (args: PageArgs) => ({ maxBatchSize: Math.max(1, Math.floor(ROWS_A_STATEMENT / (pageSize(args) + 1))) });

/** A loader for each set of arguments, made when it is first needed. */
function byArguments<Args, Loader>(make: (args: Args) => Loader): (args: Args) => Loader {
  const loaders = new Map<string, Loader>();
  return (args) => {
    const key = JSON.stringify(args);
    const loader = loaders.get(key) ?? make(args);
    loaders.set(key, loader);
    return loader;
  };
}

export function createLoaders(db: Database, viewer: Viewer): Loaders {
  const { appId } = viewer;
  const pace = new Pace();
  const paced = { batchScheduleFn: pace.schedule };
  const rows = { ...paced, maxBatchSize: ROWS_A_STATEMENT };
  const members = byArguments(
    (args: MemberPageArgs) =>
      new DataLoader((gids: readonly number[]) => pageMembersOfMany(db, appId, gids, args), { ...paced, ...pagesAtOnce(args) }),
  );
  const changes = byArguments(
    (args: HistoryArgs) =>
      new DataLoader((gids: readonly number[]) => pageHistories(db, viewer, gids, args), { ...paced, ...pagesAtOnce(args) }),
  );
  const allowed = byArguments(
    (args: AllowedArgs) =>
      new DataLoader((groups: readonly Group[]) => pageAllowed(db, appId, groups, args), {
        ...paced,
        ...pagesAtOnce(args),
        cacheKeyFn: ({ gid }) => gid,
      }),
  );
  const groupsOf = byArguments(
    (args: GroupPageArgs) =>
      new DataLoader((addresses: readonly string[]) => pageGroupsOf(db, viewer, addresses, args), {
        ...paced,
        ...pagesAtOnce(args),
      }),
  );
  const tokensOf = byArguments(
    (args: PageArgs) =>
      new DataLoader((addresses: readonly string[]) => pageTokensOf(db, viewer, addresses, args), {
        ...paced,
        ...pagesAtOnce(args),
      }),
  );
  return {
    pace,
    group: new DataLoader(async (gids) => {
      const found = await findGroups(db, viewer, gids);
      return gids.map((gid) => found.get(gid));
    }, rows),
    types: new DataLoader(async (gids) => {
      const found = await findTypes(db, appId, gids);
      return gids.map((gid) => found.get(gid) ?? new Map());
    }, paced),
    typesAt: new DataLoader((keys) => findTypesAt(db, appId, keys), {
      ...paced,
      maxBatchSize: VERSIONS_A_STATEMENT,
      cacheKeyFn: ({ gid, version }) => `${gid} ${version}`,
    }),
    member: new DataLoader(
      async (keys) => {
        const found = new Map((await findMembers(db, appId, keys)).map((member) => [memberKey(member), member]));
        return keys.map((key) => found.get(memberKey(key)));
      },
      { ...rows, cacheKeyFn: memberKey },
    ),
    entry: new DataLoader((keys) => findEntries(db, appId, keys), { ...rows, cacheKeyFn: entryKey }),
    standing: new DataLoader((keys) => findStandings(db, appId, keys), { ...rows, cacheKeyFn: entryKey }),
    members: (gid, args) => members(args).load(gid),
    changes: (gid, args) => changes(args).load(gid),
    allowed: (group, args) => allowed(args).load(group),
    user: new DataLoader(async (addresses) => {
      const found = await findUsers(db, viewer, addresses);
      return addresses.map((address) => found.get(address));
    }, rows),
    groupsOf: (address, args) => groupsOf(args).load(address),
    tokensOf: (address, args) => tokensOf(args).load(address),
  };
}
