// Waits for the end of a test run, then removes its containers. Its argument is the run's identifier.
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';

const [run] = process.argv.slice(2);
// A Ctrl-C in the terminal is for the run, which then closes the pipe.
process.on('SIGINT', () => {});
const farewell = await text(process.stdin);
if (farewell !== 'done\n' && run) {
  const { containerEngine } = await import('./container-engine.ts');
  const { removeRun } = await import('./reaper.ts');
  const engine = await containerEngine();
  // A container that was being made when its run was killed appears a moment later.
  for (let quiet = 0; quiet < 10; quiet += 1) {
    if ((await removeRun(engine, run)) > 0) quiet = 0;
    await sleep(300);
  }
}
