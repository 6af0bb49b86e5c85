/** The database is not set up as the gateway needs it; the message says what to do. */
export class DatabaseSetupError extends Error {
  override name = 'DatabaseSetupError';
}

export interface ServerUrl {
  /** The URL for the driver. */
  connectionString: string;
  /** The schema that holds the tables: `?schema=`, as in Prisma's URLs; undefined: not given. */
  schema?: string;
  /** `?options=`: further settings of each session. */
  options?: string;
}

// PostgreSQL allows more in quoted names, but a quote would break Prisma's statements.
const NAME = /^[A-Za-z_][\w-]{0,62}$/;

/**
 * Reads the URL of a PostgreSQL server. The driver does not know `schema`, and its `options` would replace ours.
 * @throws DatabaseSetupError
 */
export function readServerUrl(text: string): ServerUrl {
  const url = new URL(text);
  const schema = url.searchParams.get('schema') ?? undefined;
  const options = url.searchParams.get('options') ?? undefined;
  if (schema === undefined && options === undefined) return { connectionString: text };
  if (schema !== undefined && !NAME.test(schema)) {
    throw new DatabaseSetupError(
      'The schema in the URL of a database must be 1 to 63 letters, digits, underscores and dashes, with a letter or underscore first.',
    );
  }
  url.searchParams.delete('schema');
  url.searchParams.delete('options');
  return { connectionString: url.href, schema, options };
}

/** A name as a quoted identifier of SQL. */
export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
