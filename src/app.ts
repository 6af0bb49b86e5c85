/** `npm run app -- add|list|token|delete NAME`, also while the gateway runs. */
import { AppError } from './access/apps.ts';
import { APP_USAGE, runAppCommand } from './app-commands.ts';
import { ConfigError, readConfig } from './config.ts';
import { askHolder, DataDirLockedError } from './db/lock.ts';
import { MigrationError } from './db/migrate.ts';
import { openConfiguredDatabase } from './open-database.ts';

async function run(args: string[]): Promise<string[]> {
  const config = readConfig();
  try {
    const { db, close } = await openConfiguredDatabase(config);
    try {
      return await runAppCommand(db, args);
    } finally {
      await close();
    }
  } catch (error) {
    if (!(error instanceof DataDirLockedError)) throw error;
    // A running gateway has the embedded database: it runs the command for us. Deleting millions of members takes minutes.
    const reply = (await askHolder(config.dataDir, { app: args }, 0).catch((failure: NodeJS.ErrnoException) => {
      // Nothing listens: the holder is a gateway that is starting, or another command.
      throw failure.code ? error : new AppError(failure.message);
    })) as { ok?: string[]; error?: string };
    if (!reply.ok) throw new AppError(reply.error ?? 'The gateway gave no answer');
    return reply.ok;
  }
}

process.umask(0o077); // the folder that it makes is for its own user alone
const args = process.argv.slice(2);
if (!['add', 'list', 'token', 'delete'].includes(args[0] ?? '')) {
  console.error(APP_USAGE);
  process.exit(2);
}
try {
  for (const line of await run(args)) console.log(line);
} catch (error) {
  const expected = [AppError, ConfigError, DataDirLockedError, MigrationError].some((kind) => error instanceof kind);
  if (!expected) throw error;
  console.error((error as Error).message);
  process.exitCode = 1;
}
