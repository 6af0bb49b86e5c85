import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { ClientGoneError } from '../model/errors.ts';
import { QUERY_CANCELED, sqlState } from './driver-errors.ts';
import type { Operation } from './operation.ts';

/** How long a statement runs on whose client has left, in milliseconds: most end sooner, and a cancel is a connection. */
const GRACE = 20;
/** How long the server may take to accept a cancel, in milliseconds. */
const WITHIN = 1_000;

/** What `pg` keeps of a session, and its types leave out. */
interface Session {
  host: string;
  port: number;
  ssl: pg.ClientConfig['ssl'];
  processID: number;
  secretKey: number;
}
interface CancelConnection extends pg.Connection {
  /** To a host's port, or to the path of a socket. */
  connect(where: number | string, host?: string): void;
  requestSsl(): void;
  cancel(processID: number, secretKey: number): void;
}

/** Asks the server to cancel what a session runs. Resolves with whether the request was accepted: by then it has taken effect. */
function requestCancel(session: Session): Promise<boolean> {
  const { host, port, ssl, processID, secretKey } = session;
  const connection = new pg.Connection({ ssl }) as CancelConnection;
  const { promise, resolve } = Promise.withResolvers<boolean>();
  let sent = false;
  const send = () => {
    connection.cancel(processID, secretKey);
    sent = true;
  };
  connection.on('connect', () => (ssl ? connection.requestSsl() : send()));
  connection.on('sslconnect', send);
  connection.on('error', () => resolve(false));
  // The server closes the connection when it has passed the request on.
  connection.on('end', () => resolve(sent));
  if (host.startsWith('/')) connection.connect(`${host}/.s.PGSQL.${port}`);
  else connection.connect(port, host);
  const late = sleep(WITHIN, false, { ref: false });
  return Promise.race([promise, late]).finally(() => connection.stream.destroy());
}

/**
 * Runs one statement, which may be given up: when the client leaves, the server is asked to cancel it.
 * @param spoil called when the connection must not be used again: a cancel may still reach what runs on it next
 * @throws ClientGoneError when it was cancelled, or the client has left before
 */
export async function cancellable<T>(
  client: pg.PoolClient,
  operation: Operation,
  run: () => Promise<T>,
  spoil: () => void,
): Promise<T> {
  if (!operation.caller?.signal) return run();
  operation.check();
  let timer: NodeJS.Timeout | undefined;
  let accepted: Promise<boolean> | undefined;
  const unwatch = operation.onceGone(() => {
    timer = setTimeout(() => {
      accepted = requestCancel(client as unknown as Session);
    }, GRACE);
  });
  try {
    const result = await run();
    if (accepted !== undefined) spoil();
    return result;
  } catch (error) {
    const hit = accepted !== undefined && sqlState(error) === QUERY_CANCELED;
    if (accepted !== undefined && !(hit && (await accepted))) spoil();
    throw hit ? new ClientGoneError() : error;
  } finally {
    clearTimeout(timer);
    unwatch();
  }
}
