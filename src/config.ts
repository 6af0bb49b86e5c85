import { isIP } from 'node:net';
import { availableParallelism } from 'node:os';

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
  /** PostgreSQL past a pooler, for migrations. */
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
  /** How gateways tell each other of changes at once: Redis; unset: LISTEN and NOTIFY; `off`: not at all, the poll does it. */
  hintsUrl?: string;
  /** How long change records are kept, in seconds. */
  changesRetention: number;
  /** How often an idle stream says that it lives, in milliseconds. */
  checkpointInterval: number;
  /** Largest body of a request, in bytes. */
  bodyLimit: number;
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
} as const satisfies Record<string, LimitSetting>;

type LimitSetting = { name: string } & ({ size: number } | { seconds: number } | { count: number });

/** The limits as they are when nothing is set. */
export const DEFAULT_LIMITS = Object.fromEntries(
  Object.entries<LimitSetting>(LIMIT_SETTINGS).map(([key, setting]) => {
    if ('seconds' in setting) return [key, setting.seconds * 1000];
    return [key, 'size' in setting ? setting.size : setting.count];
  }),
) as Limits;

/** Sizes in bytes, times in milliseconds. */
export type Limits = Record<keyof typeof LIMIT_SETTINGS, number>;

/** A setting has a value that it cannot have. The message names it and says what is allowed. */
export class ConfigError extends Error {
  override name = 'ConfigError';
}

type Environment = Record<string, string | undefined>;

const DAY = 24 * 60 * 60;
const DURATIONS: Record<string, number> = { s: 1, m: 60, h: 60 * 60, d: DAY };
const UNITS: Record<string, number> = { '': 1, B: 1, KIB, MIB, GIB: 1024 * MIB };

/** @throws ConfigError */
export function readConfig(env: Environment = process.env): Config {
  const text = (name: string) => env[name]?.trim() || undefined;
  const fail = (name: string, allowed: string): never => {
    // A token or a password must not reach a log.
    const shown = /TOKEN|URL/.test(name) ? '' : ` It is ${JSON.stringify(env[name])}.`;
    throw new ConfigError(`${name} must be ${allowed}.${shown}`);
  };
  const choice = <Choice extends string>(name: string, fallback: Choice, choices: readonly Choice[]) => {
    const value = (text(name) ?? fallback) as Choice;
    return choices.includes(value) ? value : fail(name, `one of ${choices.join(', ')}`);
  };
  const integer = (name: string, fallback: number, min: number, max: number) => {
    const value = text(name);
    if (value === undefined) return fallback;
    const number = /^\d{1,15}$/.test(value) ? Number(value) : Number.NaN;
    return number >= min && number <= max ? number : fail(name, `a whole number from ${min} to ${max}`);
  };
  const size = (name: string, fallback: number) => {
    const value = text(name);
    if (value === undefined) return fallback;
    const [, digits = '', unit = ''] = /^(\d{1,15})\s*([A-Za-z]*)$/.exec(value) ?? [];
    const bytes = Number(digits || Number.NaN) * (UNITS[unit.toUpperCase()] ?? Number.NaN);
    return bytes >= 1024 && bytes <= 1024 * MIB ? bytes : fail(name, 'a size from 1 KiB to 1 GiB, in bytes or like "32 MiB"');
  };
  const seconds = (name: string, fallback: number) => {
    const value = text(name);
    if (value === undefined) return fallback * 1000;
    const number = /^\d{1,6}(\.\d{1,3})?$/.test(value) ? Number(value) : Number.NaN;
    return number >= 0.1 && number <= 3600 ? Math.round(number * 1000) : fail(name, 'a number of seconds from 0.1 to 3600');
  };
  const days = (name: string, fallback: number) => {
    const value = text(name);
    if (value === undefined) return fallback * DAY;
    const [, digits = '', unit = ''] = /^(\d{1,9})\s*([smhd])$/.exec(value) ?? [];
    const length = Number(digits || Number.NaN) * (DURATIONS[unit] ?? Number.NaN);
    return length >= 1 && length <= 3650 * DAY
      ? length
      : fail(name, 'a time from 1s to 3650d, like "30d", "12h", "90m" or "45s"');
  };
  const postgres = (name: string) => {
    const value = text(name);
    if (value === undefined) return undefined;
    return /^postgres(ql)?:\/\/\S+$/.test(value) && URL.canParse(value)
      ? value
      : fail(name, 'like postgresql://user:password@host:5432/database');
  };
  const appToken = env['APP_TOKEN'] || undefined;
  if (appToken !== undefined && !/^[\x21-\x7e]{32,200}$/.test(appToken)) {
    fail('APP_TOKEN', '32 to 200 printable ASCII characters without a space');
  }
  const limit = (setting: LimitSetting) => {
    if ('size' in setting) return size(setting.name, setting.size);
    if ('seconds' in setting) return seconds(setting.name, setting.seconds);
    return integer(setting.name, setting.count, 1, 1_000_000);
  };
  const limits = Object.entries(LIMIT_SETTINGS).map(([key, setting]) => [key, limit(setting)]);
  const production = env['NODE_ENV'] === 'production';
  const allowedOrigins = text('ALLOWED_ORIGINS')
    ?.split(',')
    .map((origin) => origin.trim());
  for (const origin of allowedOrigins ?? []) {
    if (!URL.canParse(origin) || new URL(origin).origin !== origin)
      fail('ALLOWED_ORIGINS', 'origins like https://app.example.com, separated by commas');
  }
  const trustedProxies = text('TRUSTED_PROXIES')
    ?.split(',')
    .map((cidr) => cidr.trim());
  if (trustedProxies?.every(isCidr) === false) fail('TRUSTED_PROXIES', 'CIDRs like 10.0.0.0/8, separated by commas');
  const databaseUrl = postgres('DATABASE_URL');
  const directDatabaseUrl = postgres('DIRECT_DATABASE_URL');
  if (directDatabaseUrl && !databaseUrl) fail('DIRECT_DATABASE_URL', 'given together with DATABASE_URL');
  const hintsUrl = text('HINTS_URL');
  if (hintsUrl && hintsUrl !== 'off' && !(/^rediss?:\/\/\S+$/.test(hintsUrl) && URL.canParse(hintsUrl))) {
    fail('HINTS_URL', 'like redis://host:6379, or off');
  }
  return {
    ...(Object.fromEntries(limits) as Limits),
    port: integer('PORT', 4000, 0, 65535),
    host: text('HOST') ?? '127.0.0.1',
    dataDir: text('DATA_DIR') ?? './data',
    databaseUrl,
    directDatabaseUrl,
    databasePoolSize: integer('DATABASE_POOL_SIZE', Math.max(10, availableParallelism() * 4), 1, 500),
    appToken,
    logLevel: choice('LOG_LEVEL', 'info', LOG_LEVELS),
    allowedOrigins,
    trustedProxies,
    opEndpoint: choice('OP_ENDPOINT', 'on', OP_ENDPOINT_MODES),
    hintsUrl,
    changesRetention: days('CHANGES_RETENTION', 30),
    checkpointInterval: seconds('CHECKPOINT_INTERVAL', 30),
    bodyLimit: size('BODY_LIMIT', 32 * MIB),
    statementTimeout: seconds('STATEMENT_TIMEOUT', 10),
    transactionTimeout: seconds('TRANSACTION_TIMEOUT', 30),
    production,
    graphiql: choice('GRAPHIQL', production ? 'off' : 'on', ['on', 'off']) === 'on',
    introspection: choice('INTROSPECTION', production ? 'app' : 'on', INTROSPECTION_MODES),
    underNpm: env['npm_lifecycle_event'] !== undefined,
  };
}

function isCidr(text: string): boolean {
  const [address = '', prefix, ...more] = text.split('/');
  const bits = { 0: -1, 4: 32, 6: 128 }[isIP(address)] ?? -1;
  return bits > 0 && more.length === 0 && (prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= bits));
}
