import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { groupLives } from './processes.ts';
import { type GuardedOptions, spawnGuarded } from './spawn-guarded.ts';

test('a program gets its arguments as they are, once it is guarded', async () => {
  let guarded: number | undefined;
  const args = ['-p', 'process.argv[1] + process.pid', 'two  words $x "'];
  const options: GuardedOptions = { cwd: import.meta.dirname, env: {}, stdio: ['ignore', 'pipe', 'pipe'] };
  const child = spawnGuarded(process.execPath, args, options, (pid) => {
    guarded = pid;
  });
  const [printed] = (await once(child.stdout!.setEncoding('utf8'), 'data')) as [string];
  expect(printed).toBe(`two  words $x "${guarded}\n`);
});

test.skipIf(process.platform === 'win32')('one that is not guarded yet ends with its starter', async () => {
  const module = new URL('./spawn-guarded.ts', import.meta.url).href;
  const script = `
    const { spawnGuarded } = await import(${JSON.stringify(module)});
    spawnGuarded('sleep', ['60'], { cwd: '/', env: process.env, stdio: ['ignore', 'ignore', 2], detached: true }, (pid) => {
      console.log(pid);
      process.kill(process.pid, 'SIGKILL');
    });`;
  const starter = spawn(process.execPath, ['--input-type=module', '--eval', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [pid] = (await once(starter.stdout, 'data')) as [Buffer];
  await expect.poll(() => groupLives(Number(pid))).toBe(false);
});
