import type { ClientBase, PoolConfig } from 'pg';
import { DatabaseSetupError, quoted, type ServerUrl } from './server-url.ts';
import { type Sql, statement } from './sql.ts';
import { catalogName, nullable, text } from './types.ts';

/** Settings of every session, whatever those of server, database and role. Prisma's adapters write times as if in UTC. */
function sessionSettings(schema: string): Readonly<Record<string, string>> {
  return {
    timezone: 'UTC',
    search_path: quoted(schema),
    default_transaction_isolation: 'read committed',
    default_transaction_read_only: 'off',
  };
}

/** Options of direct sessions: our settings as startup options, after those of the URL. */
export function ownSessions({ connectionString, options }: ServerUrl, schema: string): PoolConfig {
  const ours = Object.entries(sessionSettings(schema)).map(([name, value]) => `-c ${name}=${value.replaceAll(' ', '\\ ')}`);
  return { connectionString, options: [...(options ? [options] : []), ...ours].join(' ') };
}

/**
 * Options of sessions through a pooler in transaction mode. It refuses startup options, and settings that a statement makes may
 * end up with another client, so they must be set on the role; except the time zone, which PgBouncer tracks per client.
 */
export function pooledSessions({ connectionString, options }: ServerUrl): PoolConfig {
  const onConnect = async (client: ClientBase) => void (await client.query("set timezone = 'UTC'"));
  return { connectionString, options, onConnect };
}

/** The settings as a script: `set search_path` would take a list in quotes for one name. */
export function sessionScript(schema: string): string {
  return Object.entries(sessionSettings(schema))
    .map(([name, value]) => `select set_config('${name}', '${value.replaceAll("'", "''")}', false)`)
    .join('; ');
}

// `current_schema()` skips schemas of the search path that do not exist or that the role may not use.
const SESSION = statement({
  name: 'session',
  parameters: [],
  columns: { role: catalogName, schema: nullable(catalogName), zone: text, isolation: text, read_only: text },
  text: `select current_user as role, current_schema() as schema, current_setting('timezone') as zone,
    current_setting('default_transaction_isolation') as isolation, current_setting('default_transaction_read_only') as read_only`,
  only: 'postgres',
});

/**
 * Checks the settings of sessions: through a pooler they are those of the role.
 * @throws DatabaseSetupError that says what to do
 */
export async function checkSession(sql: Sql, schema: string): Promise<void> {
  const [session] = await sql.query(SESSION);
  if (!session) throw new Error('The database does not tell its settings');
  const wanted = sessionSettings(schema);
  const wrong = [
    ...(/^(Etc\/)?UTC$/i.test(session.zone) ? [] : ['timezone']),
    ...(session.schema === schema ? [] : ['search_path']),
    ...(session.isolation === wanted['default_transaction_isolation'] ? [] : ['default_transaction_isolation']),
    ...(session.read_only === wanted['default_transaction_read_only'] ? [] : ['default_transaction_read_only']),
  ];
  if (wrong.length === 0) return;
  const commands = wrong.map((name) => {
    const value = name === 'search_path' ? wanted[name] : `'${wanted[name]}'`;
    return `alter role ${quoted(session.role)} set ${name} = ${value};`;
  });
  throw new DatabaseSetupError(
    `DATABASE_URL leads through a pooler, where sessions are as the role has them: run ${commands.join(' ')} and have the pooler connect anew.`,
  );
}
