import DataLoader from 'dataloader';
import type { Viewer } from '../access/viewer.ts';
import { type HistoryArgs, pageHistories, type RecordedChange } from '../changes/log/history.ts';
import type { WatchHub } from '../changes/streams/hub.ts';
import type { Database } from '../db/client.ts';
import { type AllowedArgs, pageAllowed } from '../groups/read/allowed.ts';
import { findGroups, findTypes } from '../groups/read/groups.ts';
import { type EntryKey, findEntries, findMembers, type MemberPageArgs, pageMembersOfMany } from '../groups/read/members.ts';
import { findStandings, type Standing } from '../groups/read/standings.ts';
import { ROWS_A_STATEMENT } from '../groups/write/transaction.ts';
import type { Group, TypeLevels } from '../model/group.ts';
import type { Member, MemberKey } from '../model/member.ts';
import { type Page, type PageArgs, pageSize } from '../model/page.ts';
import { Pace } from './pace.ts';

/** What resolvers get. The database is passed on to services, never called. */
export interface Context {
  readonly db: Database;
  readonly requestId: string;
  readonly viewer: Viewer;
  /** What is watched on this gateway. */
  readonly hub: WatchHub;
  /** Where an SSE client that comes back wants to go on. */
  readonly lastEventId?: string | null;
  /** The cursor of the event that is being delivered; its transport takes it from here. */
  cursor?: string;
  /** Batches and caches reads within one request; a mutation begins with fresh ones. */
  load: Loaders;
}

export interface Loaders {
  /** At which long lists are completed. */
  pace: Pace;
  group: DataLoader<number, Group | undefined>;
  types: DataLoader<number, ReadonlyMap<number, TypeLevels>>;
  member: DataLoader<MemberKey, Member | undefined, string>;
  entry: DataLoader<EntryKey, number | undefined, string>;
  standing: DataLoader<EntryKey, Standing | undefined, string>;
  /** A page of the members of groups that the viewer sees: one statement for all groups with the same arguments. */
  members(gid: number, args: MemberPageArgs): Promise<Page<Member>>;
  /** The same of the records of their changes. */
  changes(gid: number, args: HistoryArgs): Promise<Page<RecordedChange>>;
  /** The same of those who are allowed something. */
  allowed(group: Group, args: AllowedArgs): Promise<Page<Member>>;
}

/** @param viewer null only for an operation that asks for the schema alone, which calls no resolver of ours */
export function createContext({ viewer, ...given }: Omit<Context, 'viewer' | 'load'> & { viewer: Viewer | null }): Context {
  return { ...given, viewer: viewer as Viewer, load: viewer ? createLoaders(given.db, viewer) : ({} as Loaders) };
}

const emptyPage = <T>(): Page<T> => ({ items: [], cursorOf: () => '', hasNextPage: () => false, hasPreviousPage: () => false });

/** Loaders of a user that has just left the group that its payload tells of: it sees the settings, and of members itself. */
export function seeNoMembers(db: Database, viewer: Viewer): Loaders {
  const nothing = <K, V, C = K>() => new DataLoader<K, V | undefined, C>(async (keys) => keys.map(() => undefined));
  const { pace, types, standing } = createLoaders(db, viewer);
  return {
    pace,
    group: nothing(),
    types,
    member: nothing(),
    entry: nothing(),
    standing: new DataLoader((keys) =>
      Promise.all(keys.map((key) => (key.address === viewer.address ? standing.load(key) : undefined))),
    ),
    members: async () => emptyPage(),
    changes: async () => emptyPage(),
    allowed: async () => emptyPage(),
  };
}

const memberKey = ({ gid, address }: MemberKey) => `${gid} ${address}`;
const entryKey = (key: EntryKey) => `${key.messageType} ${memberKey(key)}`;

/** As many pages as one statement may read; each reads one item more than it gives. */
const pagesAtOnce = (args: PageArgs) => ({ maxBatchSize: Math.max(1, Math.floor(ROWS_A_STATEMENT / (pageSize(args) + 1))) });

export function createLoaders(db: Database, viewer: Viewer): Loaders {
  const { appId } = viewer;
  const pace = new Pace();
  const paced = { batchScheduleFn: pace.schedule };
  const rows = { ...paced, maxBatchSize: ROWS_A_STATEMENT };
  const pages = new Map<string, DataLoader<number, Page<Member>>>();
  const histories = new Map<string, DataLoader<number, Page<RecordedChange>>>();
  const allowed = new Map<string, DataLoader<Group, Page<Member>, number>>();
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
    member: new DataLoader(
      async (keys) => {
        const found = new Map((await findMembers(db, appId, keys)).map((member) => [memberKey(member), member]));
        return keys.map((key) => found.get(memberKey(key)));
      },
      { ...rows, cacheKeyFn: memberKey },
    ),
    entry: new DataLoader((keys) => findEntries(db, appId, keys), { ...rows, cacheKeyFn: entryKey }),
    standing: new DataLoader((keys) => findStandings(db, appId, keys), { ...rows, cacheKeyFn: entryKey }),
    members(gid, args) {
      const key = JSON.stringify(args);
      let loader = pages.get(key);
      if (!loader) {
        loader = new DataLoader((gids) => pageMembersOfMany(db, appId, gids, args), { ...paced, ...pagesAtOnce(args) });
        pages.set(key, loader);
      }
      return loader.load(gid);
    },
    changes(gid, args) {
      const key = JSON.stringify(args);
      let loader = histories.get(key);
      if (!loader) {
        loader = new DataLoader((gids) => pageHistories(db, viewer, gids, args), { ...paced, ...pagesAtOnce(args) });
        histories.set(key, loader);
      }
      return loader.load(gid);
    },
    allowed(group, args) {
      const key = JSON.stringify(args);
      let loader = allowed.get(key);
      if (!loader) {
        loader = new DataLoader((groups) => pageAllowed(db, appId, groups, args), {
          ...paced,
          ...pagesAtOnce(args),
          cacheKeyFn: ({ gid }) => gid,
        });
        allowed.set(key, loader);
      }
      return loader.load(group);
    },
  };
}
