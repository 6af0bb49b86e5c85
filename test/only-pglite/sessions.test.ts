import { expect, test } from 'vitest';
import { addApp, listApps } from '../../src/access/apps.ts';
import { openEmbedded } from '../../src/db/embedded.ts';
import { sql } from '../setup/database.ts';
import { unmigratedPGlite } from '../setup/pglite.ts';

test('the session is in UTC, whatever it was, and what Prisma writes is right', async () => {
  const pglite = await unmigratedPGlite();
  await pglite.exec(`set timezone = 'America/New_York'; set default_transaction_isolation = 'repeatable read'`);
  const db = await openEmbedded({ data: pglite, statementTimeout: 10_000, transactionTimeout: 10_000 });
  try {
    await db.migrate();
    await addApp(db, 'one');
    const [app] = await listApps(db);
    expect(Math.abs((app?.createdAt.getTime() ?? 0) - Date.now())).toBeLessThan(10_000);
    const settings = `select current_setting('timezone') as zone, current_setting('search_path') as schemas,
      current_setting('default_transaction_isolation') as isolation`;
    expect(await sql(db, settings)).toEqual([{ zone: 'UTC', schemas: '"public"', isolation: 'read committed' }]);
    expect(await db.transaction((tx) => sql(tx, 'show transaction_isolation'))).toEqual([
      { transaction_isolation: 'read committed' },
    ]);
  } finally {
    await db.close();
  }
});
