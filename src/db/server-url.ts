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

const MAX_NAME = 63; // bytes

/**
 * Reads the URL of a PostgreSQL server. The driver knows no `schema`, and would put `options` in place of ours.
 * @throws DatabaseSetupError
 */
export function readServerUrl(text: string): ServerUrl {
  const url = new URL(text);
  const schema = url.searchParams.get('schema') ?? undefined;
  const options = url.searchParams.get('options') ?? undefined;
  if (schema === undefined && options === undefined) return { connectionString: text };
  if (schema !== undefined && (schema === '' || schema.includes('\0') || Buffer.byteLength(schema) > MAX_NAME)) {
    throw new DatabaseSetupError(`The schema in a database's URL must be a name of 1 to ${MAX_NAME} bytes.`);
  }
  url.searchParams.delete('schema');
  url.searchParams.delete('options');
  return { connectionString: url.href, schema, options };
}

/** A name as SQL takes it, whatever it has in it. */
export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
