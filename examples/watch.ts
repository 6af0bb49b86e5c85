/**
 * Prints the changes of a group as they happen: `ROLLCALL_TOKEN=… npm run watch -- GID [CURSOR]`. Copy it into your service: it
 * loses nothing. After every break it continues from its last cursor, and it handles every way in which a stream ends.
 */
import { type Client, createClient } from 'graphql-ws';
import { WebSocket } from 'ws';

const [gid, cursor] = process.argv.slice(2);
const url = process.env['ROLLCALL_URL'] ?? 'http://127.0.0.1:4000/graphql';
const token = process.env['ROLLCALL_TOKEN'];
if (!gid || !token) {
  console.error('Usage: ROLLCALL_TOKEN=… [ROLLCALL_URL=…] npm run watch -- GID [CURSOR]');
  process.exit(2);
}

/** As set for the gateway, in seconds: how often an idle stream gets a Checkpoint. */
const CHECKPOINT_INTERVAL = Number(process.env['CHECKPOINT_INTERVAL'] ?? 30) * 1000;
const SILENCE = 2.5 * CHECKPOINT_INTERVAL;

const QUERY = /* GraphQL */ `
  subscription Watch($gid: ID!, $after: Cursor, $snapshot: Boolean) {
    groupChanges(gid: $gid, after: $after, snapshot: $snapshot) {
      __typename
      cursor
      version
      at
      actor
      ... on GroupSnapshot {
        page
        members {
          address
          messageType
        }
      }
      ... on GroupAdded {
        settings {
          name
        }
      }
      ... on GroupUpdated {
        changed
      }
      ... on MembersAdded {
        memberCount
        members {
          address
        }
      }
      ... on MembersUpdated {
        memberCount
        members {
          address
          messageType
          present
        }
      }
      ... on MembersRemoved {
        memberCount
        addresses
      }
    }
  }
`;

interface Change {
  __typename: string;
  cursor: string;
  version: number;
  at: string;
  actor: string | null;
  changed?: string[];
  page?: number;
  addresses?: string[];
  members?: { address: string; messageType?: number; present?: boolean }[];
  memberCount?: number;
}

/** The last cursor that was processed, to continue from. Store it with your data to continue after a restart of yours, too. */
let after: string | undefined = cursor;

function print({ __typename, version, at, actor, changed, page, addresses, members, memberCount }: Change): void {
  const details = [
    page && `page ${page}`,
    changed?.join(' '),
    (addresses ?? members?.map(({ address }) => address))?.join(' '),
    memberCount !== undefined && `(${memberCount} members)`,
    actor && `by ${actor}`,
  ];
  console.log([at, `v${version}`, __typename, ...details].filter(Boolean).join('  '));
}

/** Runs one stream until it ends. Returns the code of the end, or undefined if the stream completed. */
function follow(client: Client): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    client.subscribe<{ groupChanges: Change }>(
      { query: QUERY, variables: { gid, after, snapshot: after === undefined } },
      {
        next({ data, errors }) {
          if (errors) return resolve(codeOf(errors));
          if (!data) return;
          const change = data.groupChanges;
          if (change.__typename !== 'Checkpoint') print(change);
          after = change.cursor;
        },
        error: (error) => (Array.isArray(error) ? resolve(codeOf(error)) : reject(error)),
        complete: () => resolve(undefined),
      },
    );
  });
}

const codeOf = (errors: readonly { extensions?: Record<string, unknown> }[]) =>
  String(errors[0]?.extensions?.['code'] ?? 'UNKNOWN');

class Socket extends WebSocket {
  constructor(url: string, protocols: string) {
    super(url, protocols, { handshakeTimeout: SILENCE });
  }
}

/** Ends a connection that is silent, without a message or a ping: a host that disappears sends no close. */
function endInSilence(socket: WebSocket): void {
  let timer: NodeJS.Timeout | undefined;
  const heard = () => {
    clearTimeout(timer);
    timer = setTimeout(() => socket.terminate(), SILENCE);
  };
  heard();
  socket
    .on('message', heard)
    .on('ping', heard)
    .on('close', () => clearTimeout(timer));
}

for (let pause = 500; ; ) {
  const client = createClient({
    url: url.replace(/^http/, 'ws'),
    webSocketImpl: Socket,
    connectionParams: { authorization: `Bearer ${token}` },
    retryAttempts: 0,
    lazyCloseTimeout: 0,
    on: {
      opened: (socket) => endInSilence(socket as WebSocket),
      connected: () => {
        pause = 500;
      },
    },
  });
  let end: string | undefined;
  try {
    end = await follow(client);
  } catch (error) {
    // A CloseEvent, or the error of a failed connection: reconnect with the same cursor.
    const { code, reason } = error as { code?: number; reason?: string };
    end = code === 4403 ? 'UNAUTHENTICATED' : 'DISCONNECTED';
    console.error(`# disconnected ${code ?? ''} ${reason ?? ''}`.trimEnd());
  } finally {
    await client.dispose();
  }
  if (end === undefined) process.exit(0); // after GroupDeleted, now or before we connected
  switch (end) {
    case 'BAD_CURSOR': // the database was restored, or the cursor is of another group
    case 'CURSOR_EXPIRED': // we were away for longer than records are kept
      console.error(`# ${end}: beginning again with a snapshot`);
      after = undefined;
      break;
    case 'DISCONNECTED':
    case 'SERVER_STOPPING':
    case 'RATE_LIMITED':
    case 'OVERLOADED':
    case 'TIMEOUT':
    case 'INTERNAL_SERVER_ERROR':
      break;
    default: // TOKEN_REVOKED, TOKEN_EXPIRED, LEFT_GROUP, GROUP_NOT_FOUND, NOT_ALLOWED, UNAUTHENTICATED …: reconnecting will not help
      console.error(`# the stream ended: ${end}`);
      process.exit(1);
  }
  await new Promise((resolve) => setTimeout(resolve, pause * (0.5 + Math.random())));
  pause = Math.min(pause * 2, 15_000);
}
