/** The database is not as the gateway needs it; the message says what to do. */
export class DatabaseSetupError extends Error {
  override name = 'DatabaseSetupError';
}

export interface ServerUrl {
  /** What the driver takes. */
  connectionString: string;
  /** The schema that holds the tables: `?schema=`, as Prisma has it; undefined: not said. */
  schema?: string;
  /** `?options=`: settings of the caller's for each session. */
  options?: string;
}

// What PostgreSQL takes in quotes is more; Prisma's statements would break at a quote.
const NAME = /^[A-Za-z_][\w-]{0,62}$/;

/**
 * Reads the URL of a PostgreSQL server. The driver knows no `schema`, and would put `options` in place of ours.
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

/** A name as SQL takes it, with capitals and all. */
export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
