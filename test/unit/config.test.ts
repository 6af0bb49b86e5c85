import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { describe, expect, test } from 'vitest';
import { ConfigError, DEFAULT_LIMITS, LIMIT_SETTINGS, LOG_LEVELS, readConfig } from '../../src/config.ts';
import { runServer } from '../setup/server.ts';

const MIB = 1024 * 1024;
const A_TOKEN = 'a-token-of-more-than-32-characters';
const A_URL = 'postgresql://rollcall:a-password@db.example:5432/rollcall';

function refusal(env: Record<string, string>): string {
  try {
    readConfig(env);
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return (error as Error).message;
  }
  return expect.fail(`${JSON.stringify(env)} was taken`);
}

test('every setting has a default', () => {
  expect(readConfig({})).toEqual({
    ...DEFAULT_LIMITS,
    port: 4000,
    host: '127.0.0.1',
    dataDir: './data',
    databaseUrl: undefined,
    hintsUrl: undefined,
    changesRetention: 2_592_000,
    checkpointInterval: 30_000,
    underNpm: false,
    directDatabaseUrl: undefined,
    databasePoolSize: Math.max(10, availableParallelism() * 4),
    appToken: undefined,
    logLevel: 'info',
    allowedOrigins: undefined,
    trustedProxies: undefined,
    opEndpoint: 'on',
    bodyLimit: 32 * MIB,
    maxFields: 100_000,
    maxNodes: 100_000,
    maxDepth: 12,
    maxLists: 200,
    maxTokens: 110_000,
    maxValues: 150_000,
    responseLimit: 16 * MIB,
    statementTimeout: 10_000,
    transactionTimeout: 30_000,
    production: false,
    graphiql: true,
    introspection: 'on',
  });
});

test("README's table has every limit with its default", () => {
  const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
  interface Setting {
    name: string;
    size?: number;
    seconds?: number;
    count?: number;
    rate?: number;
  }
  for (const [key, setting] of Object.entries<Setting>(LIMIT_SETTINGS)) {
    const { name, size = 0, seconds, count, rate } = setting;
    const unit = size >= MIB ? `${size / MIB} MiB` : `${size / 1024} KiB`;
    const perSecond = rate === Number.POSITIVE_INFINITY ? 'off' : rate;
    const written = seconds ?? perSecond ?? count?.toLocaleString('en') ?? unit;
    expect(readme).toMatch(new RegExp(`^\\| \`${name}\` \\| ${written} \\| \\S`, 'm'));
    const [given, taken] = size ? ['5 KiB', 5120] : seconds === undefined ? ['7', 7] : ['7', 7000];
    expect(readConfig({ [name]: given })).toMatchObject({ [key]: taken });
  }
});

test('a setting that is empty or blank is not set', () => {
  const names = ['PORT', 'HOST', 'DATA_DIR', 'DATABASE_URL', 'DIRECT_DATABASE_URL', 'DATABASE_POOL_SIZE', 'LOG_LEVEL'];
  const limits = ['MAX_FIELDS', 'MAX_NODES', 'MAX_DEPTH', 'MAX_LISTS', 'MAX_TOKENS', 'MAX_VALUES', 'RESPONSE_LIMIT'];
  const more = [...limits, 'ALLOWED_ORIGINS', 'OP_ENDPOINT', 'BODY_LIMIT', 'STATEMENT_TIMEOUT', 'TRANSACTION_TIMEOUT'];
  expect(readConfig(Object.fromEntries([...names, ...more].map((name) => [name, ' '])))).toEqual(readConfig({}));
  expect(readConfig(Object.fromEntries([...names, ...more, 'APP_TOKEN', 'NODE_ENV'].map((name) => [name, ''])))).toEqual(
    readConfig({}),
  );
});

describe('what is taken', () => {
  test.each<[Record<string, string>, object]>([
    [{ PORT: '0' }, { port: 0 }],
    [{ PORT: ' 65535 ' }, { port: 65535 }],
    [{ HOST: '::1' }, { host: '::1' }],
    [{ DATA_DIR: '/var/lib/rollcall' }, { dataDir: '/var/lib/rollcall' }],
    [{ DATABASE_URL: A_URL }, { databaseUrl: A_URL }],
    [{ DATABASE_URL: 'postgres://localhost/x' }, { databaseUrl: 'postgres://localhost/x' }],
    [
      { DATABASE_URL: A_URL, DIRECT_DATABASE_URL: `${A_URL}2` },
      { databaseUrl: A_URL, directDatabaseUrl: `${A_URL}2` },
    ],
    [{ DATABASE_POOL_SIZE: '1' }, { databasePoolSize: 1 }],
    [{ DATABASE_POOL_SIZE: '500' }, { databasePoolSize: 500 }],
    [{ APP_TOKEN: 'x'.repeat(32) }, { appToken: 'x'.repeat(32) }],
    [{ APP_TOKEN: '~'.repeat(200) }, { appToken: '~'.repeat(200) }],
    ...LOG_LEVELS.map((level): [Record<string, string>, object] => [{ LOG_LEVEL: level }, { logLevel: level }]),
    [{ ALLOWED_ORIGINS: 'https://app.example.com' }, { allowedOrigins: ['https://app.example.com'] }],
    [
      { ALLOWED_ORIGINS: 'https://a.example, http://b.example:81' },
      { allowedOrigins: ['https://a.example', 'http://b.example:81'] },
    ],
    [{ OP_ENDPOINT: 'post' }, { opEndpoint: 'post' }],
    [{ HINTS_URL: 'redis://127.0.0.1:6379' }, { hintsUrl: 'redis://127.0.0.1:6379' }],
    [{ HINTS_URL: 'off' }, { hintsUrl: 'off' }],
    [{ CHANGES_RETENTION: '45s' }, { changesRetention: 45 }],
    [{ CHANGES_RETENTION: '90m' }, { changesRetention: 5_400 }],
    [{ CHANGES_RETENTION: '12 h' }, { changesRetention: 43_200 }],
    [{ CHANGES_RETENTION: '3650d' }, { changesRetention: 315_360_000 }],
    [{ CHECKPOINT_INTERVAL: '5' }, { checkpointInterval: 5_000 }],
    [{ npm_lifecycle_event: 'start' }, { underNpm: true }],
    [{ OP_ENDPOINT: ' off ' }, { opEndpoint: 'off' }],
    [{ BODY_LIMIT: '1024' }, { bodyLimit: 1024 }],
    [{ BODY_LIMIT: '2048B' }, { bodyLimit: 2048 }],
    [{ BODY_LIMIT: '64 kib' }, { bodyLimit: 65_536 }],
    [{ BODY_LIMIT: '5MiB' }, { bodyLimit: 5 * MIB }],
    [{ BODY_LIMIT: '1 GiB' }, { bodyLimit: 1024 * MIB }],
    [{ MAX_FIELDS: '1000' }, { maxFields: 1_000 }],
    [{ MAX_NODES: '1' }, { maxNodes: 1 }],
    [{ MAX_DEPTH: '200' }, { maxDepth: 200 }],
    [{ MAX_LISTS: '10000' }, { maxLists: 10_000 }],
    [{ MAX_TOKENS: '1000' }, { maxTokens: 1_000 }],
    [{ RESPONSE_LIMIT: '1 MiB' }, { responseLimit: MIB }],
    [{ STATEMENT_TIMEOUT: '0.1' }, { statementTimeout: 100 }],
    [{ STATEMENT_TIMEOUT: '1.001' }, { statementTimeout: 1001 }],
    [{ TRANSACTION_TIMEOUT: '3600' }, { transactionTimeout: 3_600_000 }],
    [{ NODE_ENV: 'production' }, { production: true, graphiql: false, introspection: 'app' }],
    [{ NODE_ENV: 'production', GRAPHIQL: 'on', INTROSPECTION: 'on' }, { production: true }],
    [{ TRUSTED_PROXIES: '10.0.0.0/8, ::1,192.0.2.7/32' }, { trustedProxies: ['10.0.0.0/8', '::1', '192.0.2.7/32'] }],
    [
      { USER_RATE: 'off', APP_RATE: '1000000' },
      { userRate: Number.POSITIVE_INFINITY, appRate: 1_000_000 },
    ],
    [{ USER_RATE: '1' }, { userRate: 1 }],
    [{ GRAPHIQL: 'off' }, { graphiql: false }],
    [{ INTROSPECTION: 'off' }, { introspection: 'off' }],
    [{ NODE_ENV: 'development' }, { production: false }],
  ])('%o', (env, expected) => {
    expect(readConfig(env)).toEqual({ ...readConfig({}), ...expected });
  });
});

describe('a wrong value is refused with the name of the setting and what is allowed', () => {
  const PORT = 'PORT must be a whole number from 0 to 65535';
  const POOL = 'DATABASE_POOL_SIZE must be a whole number from 1 to 500';
  const BODY = 'BODY_LIMIT must be a size from 1 KiB to 1 GiB, in bytes or like "32 MiB"';
  const TIME = 'must be a number of seconds from 0.1 to 3600';
  const KEPT = 'CHANGES_RETENTION must be a time from 1s to 3650d, like "30d", "12h", "90m" or "45s"';
  const ORIGINS = 'ALLOWED_ORIGINS must be origins like https://app.example.com, separated by commas';
  test.each<readonly [string, string, string]>([
    ...['x', '-1', '65536', '1.5', '0x10', '1e3', '99999999999999999999'].map((value) => ['PORT', value, PORT] as const),
    ...['0', '501', 'many'].map((value) => ['DATABASE_POOL_SIZE', value, POOL] as const),
    ...['1023', '2 GiB', '32 MB', '-1', '1.5 MiB', 'much', 'MiB'].map((value) => ['BODY_LIMIT', value, BODY] as const),
    ...['0', '3601', '-1', '10s', '1.0001', 'Infinity'].flatMap((value) =>
      ['STATEMENT_TIMEOUT', 'TRANSACTION_TIMEOUT'].map((name) => [name, value, `${name} ${TIME}`] as const),
    ),
    ...['0s', '3651d', '30', 'd', '1w', '-1d'].map((value) => ['CHANGES_RETENTION', value, KEPT] as const),
    ['MAX_FIELDS', '999', 'MAX_FIELDS must be a whole number from 1000 to 100000000'],
    ['MAX_NODES', '0', 'MAX_NODES must be a whole number from 1 to 100000000'],
    ['MAX_DEPTH', '201', 'MAX_DEPTH must be a whole number from 1 to 200'],
    ['MAX_LISTS', '1e3', 'MAX_LISTS must be a whole number from 1 to 10000'],
    ['MAX_TOKENS', '999', 'MAX_TOKENS must be a whole number from 1000 to 10000000'],
    ['RESPONSE_LIMIT', '1', 'RESPONSE_LIMIT must be a size from 1 KiB to 1 GiB, in bytes or like "32 MiB"'],
    ['CHECKPOINT_INTERVAL', '0', `CHECKPOINT_INTERVAL ${TIME}`],
    ['LOG_LEVEL', 'loud', `LOG_LEVEL must be one of ${LOG_LEVELS.join(', ')}`],
    ['LOG_LEVEL', 'INFO', `LOG_LEVEL must be one of ${LOG_LEVELS.join(', ')}`],
    ...['*', 'null', 'example.com', 'https://a.example/', 'https://a.example,', 'https://A.example', 'file:///x'].map(
      (value) => ['ALLOWED_ORIGINS', value, ORIGINS] as const,
    ),
    ...['ON', 'yes', '0'].map((value) => ['OP_ENDPOINT', value, 'OP_ENDPOINT must be one of on, post, off'] as const),
    ...['10.0.0.0/33', '10.0.0.0/8/8', 'proxy', '10.0.0.0/', '1.2.3.4,'].map(
      (value) => ['TRUSTED_PROXIES', value, 'TRUSTED_PROXIES must be CIDRs like 10.0.0.0/8, separated by commas'] as const,
    ),
    ...['0', '1000001', '0.5', 'on', '-1'].flatMap((value) =>
      ['USER_RATE', 'APP_RATE'].map((name) => [name, value, `${name} must be a whole number from 1 to 1000000, or off`] as const),
    ),
    ['GRAPHIQL', 'yes', 'GRAPHIQL must be one of on, off'],
    ['INTROSPECTION', 'yes', 'INTROSPECTION must be one of on, app, off'],
  ])('%s=%s', (name, value, message) => {
    expect(refusal({ [name]: value })).toBe(`${message}. It is ${JSON.stringify(value)}.`);
  });

  const POSTGRES = 'must be like postgresql://user:password@host:5432/database.';
  const TOKEN = 'APP_TOKEN must be 32 to 200 printable ASCII characters without a space.';
  test.each<readonly [string, string, string]>([
    ['DATABASE_URL', 'mysql://rollcall:secret@db/x', `DATABASE_URL ${POSTGRES}`],
    ['DATABASE_URL', 'secret', `DATABASE_URL ${POSTGRES}`],
    ['DATABASE_URL', 'postgresql://u:secret@[/x', `DATABASE_URL ${POSTGRES}`],
    ['DATABASE_URL', 'postgresql://u:secret@db/a b', `DATABASE_URL ${POSTGRES}`],
    ['DIRECT_DATABASE_URL', 'secret', `DIRECT_DATABASE_URL ${POSTGRES}`],
    [
      'DIRECT_DATABASE_URL',
      A_URL.replace('a-password', 'secret'),
      'DIRECT_DATABASE_URL must be given together with DATABASE_URL.',
    ],
    ['APP_TOKEN', 'secret', TOKEN],
    ['APP_TOKEN', 'secret'.repeat(34), TOKEN],
    ['APP_TOKEN', ` ${A_TOKEN}secret`, TOKEN],
    ['APP_TOKEN', `${A_TOKEN} secret`, TOKEN],
    ['APP_TOKEN', `${A_TOKEN}sécret`, TOKEN],
  ])('%s=%s, which is not repeated', (name, value, message) => {
    expect(refusal({ [name]: value })).toBe(message);
  });
});

describe('the gateway does not start', () => {
  test('with a wrong value: it says which and ends with 1', async () => {
    const message = 'rollcall: PORT must be a whole number from 0 to 65535. It is "http".\n';
    expect(await runServer({ PORT: 'http' })).toEqual({ code: 1, signal: null, stdout: '', stderr: message });
  });

  test('with a wrong secret, which it does not repeat', async () => {
    const ended = await runServer({ APP_TOKEN: 'too-short-a-secret' });
    expect(ended).toMatchObject({ code: 1, stdout: '' });
    expect(ended.stderr).toBe('rollcall: APP_TOKEN must be 32 to 200 printable ASCII characters without a space.\n');
  });
});

test('the URL of the hints is not echoed either: it may hold a password', () => {
  expect(() => readConfig({ HINTS_URL: 'http://:secret@x' })).toThrow(/^HINTS_URL must be like redis:\/\/host:6379, or off\.$/);
});
