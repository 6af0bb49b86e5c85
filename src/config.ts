import { isIP } from 'node:net';
import { availableParallelism } from 'node:os';
import { DEFAULT_SHARES } from './db/shares.ts';
import { GROUP_LIMITS } from './model/group.ts';

/** Every setting of the gateway. This file is the only reader of the environment. */
export interface Config extends Limits {
  /** TCP port, 0 to 65535; 0: any free one. */
  port: number;
  /** Address to listen on. */
  host: string;
  /** Folder of the embedded database. Not used with `databaseUrl`. */
  dataDir: string;
  /** PostgreSQL; unset: the embedded database. */
  databaseUrl?: string;
  /** Direct connection to PostgreSQL, without the pooler, for migrations and LISTEN. */
  directDatabaseUrl?: string;
  /** Connections to PostgreSQL, 1 to 500. */
  databasePoolSize: number;
  /** A token of the app `default`, at least 32 characters. */
  appToken?: string;
  logLevel: LogLevel;
  /** Origins of browser pages that may call the gateway; unset: same origin and loopback. */
  allowedOrigins?: readonly string[];
  /** CIDRs whose X-Forwarded-For counts; unset: nobody's, and loopback and private addresses are not counted by. */
  trustedProxies?: readonly string[];
  /** The JSON op endpoint: `post` takes no token from the URL, where proxies log it; `off` is 404. */
  opEndpoint: OpEndpointMode;
  /** How gateways notify each other of changes: Redis; unset: LISTEN and NOTIFY; `off`: they don't, and rely on the poll. */
  hintsUrl?: string;
  /** How long change records are kept, in seconds. */
  changesRetention: number;
  /** How often an idle stream sends a checkpoint, in milliseconds. */
  checkpointInterval: number;
  /** Largest body of a request, in bytes. */
  bodyLimit: number;
  /** What one operation may ask for: fields, nodes, levels, lists with mutations. */
  maxFields: number;
  maxNodes: number;
  maxDepth: number;
  maxLists: number;
  /** Words, signs and lines of a document. */
  maxTokens: number;
  /** Values of a request's JSON. */
  maxValues: number;
  /** Largest answer, and largest event of a stream, in bytes. */
  responseLimit: number;
  /** Longest run of one statement, in milliseconds. */
  statementTimeout: number;
  /** Longest run of one transaction, in milliseconds. */
  transactionTimeout: number;
  /** NODE_ENV=production: a request without a valid token is refused before its body is read. */
  production: boolean;
  /** Whether browsers get GraphiQL's page. */
  graphiql: boolean;
  /** Who may ask for the schema: everybody, who has an application token, or nobody. */
  introspection: IntrospectionMode;
  /** Started by `npm start`. */
  underNpm: boolean;
}

export const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export const OP_ENDPOINT_MODES = ['on', 'post', 'off'] as const;
export type OpEndpointMode = (typeof OP_ENDPOINT_MODES)[number];

export const INTROSPECTION_MODES = ['on', 'app', 'off'] as const;
export type IntrospectionMode = (typeof INTROSPECTION_MODES)[number];

const KIB = 1024;
const MIB = 1024 * KIB;
/** Of a rate: there is no limit. */
const OFF = Number.POSITIVE_INFINITY;

/** What callers may take of a gateway: of each limit its setting, default and unit. README's table has what each means. */
export const LIMIT_SETTINGS = {
  headersLimit: { name: 'HEADERS_LIMIT', size: 16 * KIB },
  headersTimeout: { name: 'HEADERS_TIMEOUT', seconds: 10 },
  bodyTimeout: { name: 'BODY_TIMEOUT', seconds: 60 },
  bodyChunks: { name: 'BODY_CHUNKS', count: 1_000 },
  unknownBodies: { name: 'UNKNOWN_BODIES', size: 32 * MIB },
  tokenBodies: { name: 'TOKEN_BODIES', size: 64 * MIB },
  allBodies: { name: 'ALL_BODIES', size: 256 * MIB },
  bodyWait: { name: 'BODY_WAIT', seconds: 10 },
  pipelined: { name: 'PIPELINED', count: 500 },
  strangers: { name: 'UNKNOWN_CONNECTIONS', count: 100 },
  userSockets: { name: 'USER_SOCKETS', count: 20 },
  appSockets: { name: 'APP_SOCKETS', count: 10_000 },
  userStreams: { name: 'USER_STREAMS', count: 200 },
  appStreams: { name: 'APP_STREAMS', count: 100_000 },
  maxOperations: { name: 'MAX_OPERATIONS', count: 100 },
  initMessage: { name: 'INIT_MESSAGE_LIMIT', size: 4 * KIB },
  message: { name: 'MESSAGE_LIMIT', size: MIB },
  snapshots: { name: 'SNAPSHOTS', count: 8 },
  tokenSnapshots: { name: 'TOKEN_SNAPSHOTS', count: 2 },
  clientBacklog: { name: 'CLIENT_BACKLOG', size: 4 * MIB },
  allBacklog: { name: 'ALL_BACKLOG', size: 256 * MIB },
  keepAlive: { name: 'KEEP_ALIVE', seconds: 75 },
  userRate: { name: 'USER_RATE', rate: 100 },
  appRate: { name: 'APP_RATE', rate: OFF },
  userConcurrency: { name: 'USER_CONCURRENCY', count: 16 },
  appConcurrency: { name: 'APP_CONCURRENCY', count: 256 },
  waitingOperations: { name: 'WAITING_OPERATIONS', count: 10_000 },
  turnWait: { name: 'TURN_WAIT', seconds: 10 },
  lagLimit: { name: 'LAG_LIMIT', seconds: 0.25 },
  wrongTokens: { name: 'WRONG_TOKENS', count: 20 },
  wrongTokenLookups: { name: 'WRONG_TOKEN_LOOKUPS', count: 5 },
  maxMessageTypes: { name: 'MAX_MESSAGE_TYPES', count: GROUP_LIMITS.maxMessageTypes },
  appShare: { name: 'APP_SHARE', count: DEFAULT_SHARES.appShare, most: 100 },
  userShare: { name: 'USER_SHARE', count: DEFAULT_SHARES.userShare, most: 100 },
  operationStatements: { name: 'OPERATION_STATEMENTS', count: DEFAULT_SHARES.operationStatements },
  groupQueue: { name: 'GROUP_QUEUE', count: DEFAULT_SHARES.groupQueue },
} as const satisfies Record<string, LimitSetting>;

type LimitSetting = { name: string } & (
  | { size: number }
  | { seconds: number }
  | { count: number; most?: number }
  | { rate: number }
);

/** The limits as they are when nothing is set. */
export const DEFAULT_LIMITS = Object.fromEntries(
  Object.entries<LimitSetting>(LIMIT_SETTINGS).map(([key, setting]) => {
    if ('seconds' in setting) return [key, setting.seconds * 1000];
    if ('rate' in setting) return [key, setting.rate];
    return [key, 'size' in setting ? setting.size : setting.count];
  }),
) as Limits;

/** Sizes in bytes, times in milliseconds, rates in points a second. */
export type Limits = Record<keyof typeof LIMIT_SETTINGS, number>;

/** A setting has an invalid value. The message names it and says what is allowed. */
export class ConfigError extends Error {
  override name = 'ConfigError';
}

/** The defaults of what one operation may ask for and get. */
export const OPERATION_LIMITS = {
  maxFields: 100_000,
  maxNodes: 100_000,
  maxDepth: 12,
  maxLists: 200,
  maxTokens: 110_000,
  maxValues: 150_000,
  responseLimit: 16 * 1024 * 1024,
};

type Environment = Record<string, string | undefined>;

const DAY = 24 * 60 * 60;
const DURATIONS: Record<string, number> = { s: 1, m: 60, h: 60 * 60, d: DAY };
const UNITS: Record<string, number> = { '': 1, B: 1, KIB, MIB, GIB: 1024 * MIB };

/** Reads settings of an environment by name; each method throws ConfigError for a value that is not allowed. */
class Settings {
  readonly #env: Environment;

  constructor(env: Environment) {
    this.#env = env;
  }

  text(name: string): string | undefined {
    return this.#env[name]?.trim() || undefined;
  }

  fail(name: string, allowed: string): never {
    // A token or a password must not reach a log.
    const shown = /TOKEN$|URL/.test(name) ? '' : ` It is ${JSON.stringify(this.#env[name])}.`;
    throw new ConfigError(`${name} must be ${allowed}.${shown}`);
  }

  oneOf<const Choice extends string>(name: string, choices: readonly Choice[], fallback: NoInfer<Choice>): Choice {
    const value = this.text(name) ?? fallback;
    return choices.find((choice) => choice === value) ?? this.fail(name, `one of ${choices.join(', ')}`);
  }

  integer(name: string, fallback: number, min: number, max: number): number {
    const value = this.text(name);
    if (value === undefined) return fallback;
    const number = /^\d{1,15}$/.test(value) ? Number(value) : Number.NaN;
    return number >= min && number <= max ? number : this.fail(name, `a whole number from ${min} to ${max}`);
  }

  /** @returns bytes */
  size(name: string, fallback: number): number {
    const value = this.text(name);
    if (value === undefined) return fallback;
    const [, digits = '', unit = ''] = /^(\d{1,15})\s*([A-Za-z]*)$/.exec(value) ?? [];
    const bytes = Number(digits || Number.NaN) * (UNITS[unit.toUpperCase()] ?? Number.NaN);
    if (bytes >= 1024 && bytes <= 1024 * MIB) return bytes;
    return this.fail(name, 'a size from 1 KiB to 1 GiB, in bytes or like "32 MiB"');
  }

  /** @returns milliseconds */
  milliseconds(name: string, fallbackSeconds: number): number {
    const value = this.text(name);
    if (value === undefined) return fallbackSeconds * 1000;
    const number = /^\d{1,6}(\.\d{1,3})?$/.test(value) ? Number(value) : Number.NaN;
    return number >= 0.1 && number <= 3600 ? Math.round(number * 1000) : this.fail(name, 'a number of seconds from 0.1 to 3600');
  }

  /** @returns seconds */
  duration(name: string, fallbackDays: number): number {
    const value = this.text(name);
    if (value === undefined) return fallbackDays * DAY;
    const [, digits = '', unit = ''] = /^(\d{1,9})\s*([smhd])$/.exec(value) ?? [];
    const length = Number(digits || Number.NaN) * (DURATIONS[unit] ?? Number.NaN);
    if (length >= 1 && length <= 3650 * DAY) return length;
    return this.fail(name, 'a time from 1s to 3650d, like "30d", "12h", "90m" or "45s"');
  }

  postgresUrl(name: string): string | undefined {
    const value = this.text(name);
    if (value === undefined || (/^postgres(ql)?:\/\/\S+$/.test(value) && URL.canParse(value))) return value;
    return this.fail(name, 'like postgresql://user:password@host:5432/database');
  }

  hintsUrl(name: string): string | undefined {
    const value = this.text(name);
    if (value === undefined || value === 'off' || (/^rediss?:\/\/\S+$/.test(value) && URL.canParse(value))) return value;
    return this.fail(name, 'like redis://host:6379, or off');
  }

  limit(setting: LimitSetting): number {
    if ('size' in setting) return this.size(setting.name, setting.size);
    if ('seconds' in setting) return this.milliseconds(setting.name, setting.seconds);
    if ('rate' in setting) return this.rate(setting.name, setting.rate);
    return this.integer(setting.name, setting.count, 1, setting.most ?? 1_000_000);
  }

  /** @returns points a second; infinity: off */
  rate(name: string, fallback: number): number {
    const value = this.text(name);
    if (value === undefined) return fallback;
    if (value === 'off') return OFF;
    const rate = /^\d{1,7}$/.test(value) ? Number(value) : Number.NaN;
    return rate >= 1 && rate <= 1_000_000 ? rate : this.fail(name, 'a whole number from 1 to 1000000, or off');
  }

  cidrs(name: string): string[] | undefined {
    const cidrs = this.text(name)
      ?.split(',')
      .map((cidr) => cidr.trim());
    return (cidrs?.every(isCidr) ?? true) ? cidrs : this.fail(name, 'CIDRs like 10.0.0.0/8, separated by commas');
  }

  origins(name: string): string[] | undefined {
    const origins = this.text(name)
      ?.split(',')
      .map((origin) => origin.trim());
    const valid = origins?.every((origin) => URL.canParse(origin) && new URL(origin).origin === origin) ?? true;
    return valid ? origins : this.fail(name, 'origins like https://app.example.com, separated by commas');
  }

  /** Not trimmed: a space is refused. */
  token(name: string): string | undefined {
    const value = this.#env[name] || undefined;
    if (value === undefined || /^[\x21-\x7e]{32,200}$/.test(value)) return value;
    return this.fail(name, '32 to 200 printable ASCII characters without a space');
  }
}

/** @throws ConfigError */
export function readConfig(env: Environment = process.env): Config {
  const settings = new Settings(env);
  const production = env['NODE_ENV'] === 'production';
  const limits = Object.entries(LIMIT_SETTINGS).map(([key, setting]) => [key, settings.limit(setting)]);
  const databaseUrl = settings.postgresUrl('DATABASE_URL');
  const directDatabaseUrl = settings.postgresUrl('DIRECT_DATABASE_URL');
  if (directDatabaseUrl && !databaseUrl) settings.fail('DIRECT_DATABASE_URL', 'given together with DATABASE_URL');
  return {
    ...(Object.fromEntries(limits) as Limits),
    port: settings.integer('PORT', 4000, 0, 65535),
    host: settings.text('HOST') ?? '127.0.0.1',
    dataDir: settings.text('DATA_DIR') ?? './data',
    databaseUrl,
    directDatabaseUrl,
    databasePoolSize: settings.integer('DATABASE_POOL_SIZE', Math.max(10, availableParallelism() * 4), 1, 500),
    appToken: settings.token('APP_TOKEN'),
    logLevel: settings.oneOf('LOG_LEVEL', LOG_LEVELS, 'info'),
    allowedOrigins: settings.origins('ALLOWED_ORIGINS'),
    trustedProxies: settings.cidrs('TRUSTED_PROXIES'),
    opEndpoint: settings.oneOf('OP_ENDPOINT', OP_ENDPOINT_MODES, 'on'),
    hintsUrl: settings.hintsUrl('HINTS_URL'),
    changesRetention: settings.duration('CHANGES_RETENTION', 30),
    checkpointInterval: settings.milliseconds('CHECKPOINT_INTERVAL', 30),
    bodyLimit: settings.size('BODY_LIMIT', 32 * MIB),
    maxFields: settings.integer('MAX_FIELDS', OPERATION_LIMITS.maxFields, 1_000, 100_000_000),
    maxNodes: settings.integer('MAX_NODES', OPERATION_LIMITS.maxNodes, 1, 100_000_000),
    maxDepth: settings.integer('MAX_DEPTH', OPERATION_LIMITS.maxDepth, 1, 200),
    maxLists: settings.integer('MAX_LISTS', OPERATION_LIMITS.maxLists, 1, 10_000),
    maxTokens: settings.integer('MAX_TOKENS', OPERATION_LIMITS.maxTokens, 1_000, 10_000_000),
    maxValues: settings.integer('MAX_VALUES', OPERATION_LIMITS.maxValues, 1_000, 100_000_000),
    responseLimit: settings.size('RESPONSE_LIMIT', OPERATION_LIMITS.responseLimit),
    statementTimeout: settings.milliseconds('STATEMENT_TIMEOUT', 10),
    transactionTimeout: settings.milliseconds('TRANSACTION_TIMEOUT', 30),
    production,
    graphiql: settings.oneOf('GRAPHIQL', ['on', 'off'], production ? 'off' : 'on') === 'on',
    introspection: settings.oneOf('INTROSPECTION', INTROSPECTION_MODES, production ? 'app' : 'on'),
    underNpm: env['npm_lifecycle_event'] !== undefined,
  };
}

function isCidr(text: string): boolean {
  const [address = '', prefix, ...more] = text.split('/');
  const bits = { 0: -1, 4: 32, 6: 128 }[isIP(address)] ?? -1;
  return bits > 0 && more.length === 0 && (prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= bits));
}
