import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { exists } from './binaries.ts';

const program = `
  import { startPostgres } from ${JSON.stringify(fileURLToPath(new URL('./start-postgres.ts', import.meta.url)))};
  const { pid, dataDirectory } = await startPostgres();
  console.log(JSON.stringify({ pid, dataDirectory }));
  setInterval(() => {}, 1000);
`;

function lives(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // Root's server belongs to another user.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

test('after a SIGKILL of the process that started it, a server and its temporary data are gone', async () => {
  const parent = spawn(process.execPath, ['--input-type=module-typescript', '--eval', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = (await once(parent.stdout.setEncoding('utf8'), 'data')) as [string];
  const { pid, dataDirectory } = JSON.parse(line) as { pid: number; dataDirectory: string };
  expect(lives(pid)).toBe(true);
  parent.kill('SIGKILL');
  await expect.poll(() => exists(dataDirectory), { timeout: 10_000 }).toBe(false);
  await expect.poll(() => lives(pid), { timeout: 10_000 }).toBe(false);
});

test.skipIf(!existsSync('/proc/self'))(
  'a server that ended and was not collected counts as gone',
  async () => {
    const careless = spawn('/bin/sh', ['-c', 'sleep 1000 & echo $!; exec sleep 1000'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [printed] = (await once(careless.stdout, 'data')) as [Buffer];
    const server = Number(printed);
    process.kill(server, 'SIGKILL');
    const temporary = mkdtempSync(path.join(tmpdir(), 'stackyard watchdog '));
    const module = new URL('./watchdog.ts', import.meta.url).href;
    const owner = `
    const { serverWatchdog } = await import(${JSON.stringify(module)});
    serverWatchdog(${server}, ${JSON.stringify(temporary)});
    process.kill(process.pid, 'SIGKILL');
  `;
    spawn(process.execPath, ['--input-type=module', '--eval', owner], { stdio: 'ignore' });
    // It would wait five seconds for the program to end.
    await expect.poll(() => exists(temporary), { timeout: 4000 }).toBe(false);
    careless.kill();
  },
);
