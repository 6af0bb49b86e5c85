/**
 * A gateway without a port on a database for a test file, and a caller of it:
 *
 *     import { openTestGateway } from './setup/gateway.ts';
 *     import { GroupAddDocument } from '../src/generated/operations.ts';   // from test/operations.graphql
 *
 *     const gateway = await openTestGateway();
 *     const caller = await gateway.caller();                               // an app of its own, its application token
 *     const { groupAdd } = await caller.call(GroupAddDocument, { input: { name: 'Team' } });
 *     const { data, errors } = await caller.send('{ viewer { address } }'); // any operation, with its errors
 */
import type { TypedDocumentNode } from '@graphql-typed-document-node/core';
import { type DocumentNode, type GraphQLFormattedError, print } from 'graphql';
import { type Level, pino } from 'pino';
import type { Viewer } from '../../src/access/viewer.ts';
import type { Config } from '../../src/config.ts';
import type { Database } from '../../src/db/client.ts';
import { createGateway, type Gateway } from '../../src/gateway.ts';
import { atEnd } from './at-end.ts';
import { createUser, createViewer, openTestDatabase, type TestDatabase, type TestDatabaseOptions } from './database.ts';

type GatewayConfig = Parameters<typeof createGateway>[0]['config'];

export interface TestGatewayOptions extends TestDatabaseOptions {
  config?: Partial<GatewayConfig>;
  /** Gets the log's lines, at `level` and above. */
  onLog?: (line: Record<string, unknown>) => void;
  level?: Level;
}

export interface Answer<Data = Record<string, unknown>> {
  status: number;
  data?: Data | null;
  errors?: GraphQLFormattedError[];
}

export interface Caller {
  viewer: Viewer;
  token: string;
  /** The whole answer. */
  // biome-ignore lint/suspicious/noExplicitAny: a test reads what it expects to be there
  send<Data = Record<string, any>>(query: string | DocumentNode, variables?: object): Promise<Answer<Data>>;
  /** The data of a typed operation; an error of GraphQL fails the test. */
  call<Data, Variables extends object>(document: TypedDocumentNode<Data, Variables>, variables: Variables): Promise<Data>;
  /** A user of the same app. */
  user(address: string, scopes?: Parameters<typeof createUser>[3]): Promise<Caller>;
}

export interface TestGateway extends Gateway {
  db: TestDatabase;
  config: GatewayConfig;
  /** An application token, of a new app. */
  caller(): Promise<Caller>;
}

export const TEST_CONFIG: GatewayConfig = {
  allowedOrigins: undefined,
  bodyLimit: 32 * 1024 * 1024,
  graphiql: true,
  introspection: 'on',
  opEndpoint: 'on',
  production: false,
  // Whether the machine that runs the tests keeps up is not what they are about; shedding.test.ts has the default.
  lagLimit: 60_000,
};

export async function openTestGateway(options: TestGatewayOptions = {}): Promise<TestGateway> {
  const db = await openTestDatabase(options);
  return gatewayOn(db, options);
}

/** A gateway on an open database; on PostgreSQL several may share one. */
export function gatewayOn(db: TestDatabase, { config, onLog, level = 'error' }: TestGatewayOptions = {}): TestGateway {
  const settings: GatewayConfig = { ...TEST_CONFIG, ...config };
  const log = onLog ? pino({ level }, { write: (line) => onLog(JSON.parse(line)) }) : pino({ level: 'silent' });
  const gateway = createGateway({ db, log, config: settings as Config });
  atEnd(() => gateway.close());
  return { ...gateway, db, config: settings, caller: async () => callerOf(gateway, db, await createViewer(db)) };
}

export function callerOf(gateway: Gateway, db: Database, { viewer, token }: { viewer: Viewer; token: string }): Caller {
  const send: Caller['send'] = async (query, variables) => {
    const response = await gateway.fetch(
      new Request('http://gateway/graphql', {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${token}` },
        body: JSON.stringify({ query: typeof query === 'string' ? query : print(query), variables }),
      }),
    );
    return { status: response.status, ...(await response.json()) };
  };
  return {
    viewer,
    token,
    send,
    async call<Data>(document: TypedDocumentNode<Data, never>, variables: object) {
      const { data, errors } = await send<Data>(document, variables);
      if (errors || !data) throw new Error(`GraphQL errors: ${JSON.stringify(errors)}`);
      return data;
    },
    user: async (address, scopes) => callerOf(gateway, db, await createUser(db, viewer, address, scopes)),
  };
}
