import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
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
  await expect.poll(() => exists(dataDirectory)).toBe(false);
  await expect.poll(() => lives(pid)).toBe(false);
});

test.skipIf(!existsSync('/proc/self'))(
  'a server that ended and was not collected counts as gone',
  async () => {
    const careless = spawn('/bin/sh', ['-c', 'sleep 1000 & echo $!; exec sleep 1000'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    onTestFinished(() => void careless.kill());
    const [printed] = (await once(careless.stdout, 'data')) as [Buffer];
    const server = Number(printed);
    process.kill(server, 'SIGKILL');
    await expect.poll(() => existsSync(`/proc/${server}/exe`)).toBe(false);
    const folder = mkdtempSync(path.join(tmpdir(), 'stackyard watchdog '));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const temporary = path.join(folder, 'temporary');
    mkdirSync(temporary);
    // What it would call to wait for the program's end tells of it.
    writeFileSync(path.join(folder, 'sleep'), '#!/bin/sh\n: > "$0.called"\n', { mode: 0o755 });
    const module = new URL('./watchdog.ts', import.meta.url).href;
    const owner = `
    const { serverWatchdog } = await import(${JSON.stringify(module)});
    serverWatchdog(${server}, ${JSON.stringify(temporary)});
    process.kill(process.pid, 'SIGKILL');
  `;
    const env = { ...process.env, PATH: `${folder}${path.delimiter}${process.env.PATH}` };
    spawn(process.execPath, ['--input-type=module', '--eval', owner], { env, stdio: 'ignore' });
    await expect.poll(() => exists(temporary)).toBe(false);
    expect(existsSync(path.join(folder, 'sleep.called'))).toBe(false);
  },
);
