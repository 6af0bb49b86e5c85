/**
 * A process that takes a data folder: `lock-holder.ts FOLDER [listen]`. It says "ready", tries at the next line of its
 * stdin (a time to begin at, or nothing), writes the result as JSON, and then waits to be ended.
 */
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { lockDataDir } from '../../src/db/lock.ts';

const [folder = '', listen] = process.argv.slice(2);
const input = createInterface({ input: process.stdin });
const say = (line: unknown) => console.log(JSON.stringify(line));

input.once('line', async (beginAt) => {
  await sleep(Math.max(0, Number(beginAt) - Date.now()));
  try {
    const lock = await lockDataDir(folder);
    if (listen) {
      await lock.listen(async (request) => {
        if ((request as { fail?: boolean }).fail) throw new Error('No such app');
        return { echo: request };
      });
    }
    say({ locked: true });
    input.once('line', () => void lock.release().then(() => say({ released: true })));
  } catch (error) {
    const { name, message } = error as Error;
    say({ locked: false, name, message });
  }
});
input.once('close', () => process.exit());
say('ready');
