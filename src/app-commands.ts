import { AppError, addApp, addAppToken, closeApp, listApps, removeApp } from './access/apps.ts';
import type { Database } from './db/client.ts';
import { purgeGroups } from './groups/write/purge.ts';

export const APP_USAGE = `Usage: npm run app -- add NAME      makes an app and prints its first token
       npm run app -- list          lists the apps
       npm run app -- token NAME    makes and prints another token for an app
       npm run app -- delete NAME   deletes an app with all its groups, members and tokens`;

/**
 * Runs a command about apps and returns the lines to print. A new token's secret is shown only there.
 * @throws AppError
 */
export async function runAppCommand(db: Database, args: readonly string[]): Promise<string[]> {
  const [command, name, ...rest] = args;
  const wellFormed = command === 'list' ? name === undefined : name !== undefined && rest.length === 0;
  if (!wellFormed) throw new AppError(APP_USAGE);
  const app = name as string;
  switch (command) {
    case 'add':
      return [`Made the app ${app}. Its token, shown this once:`, await addApp(db, app)];
    case 'token':
      return [`Made a token for the app ${app}, shown this once:`, await addAppToken(db, app)];
    case 'list': {
      const apps = await listApps(db);
      return apps.map(
        (each) => `${each.name}\t${each.tokens} tokens\t${each.groups} groups\tsince ${each.createdAt.toISOString()}`,
      );
    }
    case 'delete': {
      const id = await closeApp(db, app);
      let groups = 0;
      do groups += await purgeGroups(db, id);
      while (!(await removeApp(db, id)));
      return [`Deleted the app ${app} with ${groups} groups.`];
    }
    default:
      throw new AppError(APP_USAGE);
  }
}
