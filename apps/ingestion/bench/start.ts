/**
 * How long `turbo dev --filter ingestion` takes to a page that shows its documents, when the data is there already. It
 * runs in this checkout, with its data, at ports of its own.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { report } from '@stackyard/testing/bench';
import { freePort } from './support/free-port.ts';

const ROUNDS = Number(process.env.ROUNDS ?? 3);
const root = resolve(import.meta.dirname, '../../..');
const ports = {
  INGESTION_POSTGRES_PORT: await freePort(),
  INGESTION_API_PORT: await freePort(),
  INGESTION_WORKER_PORT: await freePort(),
  INGESTION_WEB_PORT: await freePort(),
};

/** The page is served, and so is what it asks for. */
async function usable(): Promise<boolean> {
  const page = `http://127.0.0.1:${ports.INGESTION_WEB_PORT}`;
  const answers = await Promise.all(
    ['/', '/src/main.tsx', '/v1/documents'].map((path) =>
      fetch(`${page}${path}`).then(
        async (answer) => {
          await answer.arrayBuffer();
          return answer.ok;
        },
        () => false,
      ),
    ),
  );
  return answers.every(Boolean);
}

/** Milliseconds until the page is usable; then everything is stopped as by Ctrl-C. */
async function start(): Promise<number> {
  const began = performance.now();
  const child = spawn(join(root, 'pnpmw'), ['turbo', 'dev', '--filter', 'ingestion'], {
    cwd: root,
    detached: true,
    env: {
      ...process.env,
      ...Object.fromEntries(Object.entries(ports).map(([name, port]) => [name, String(port)])),
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (output += text));
  const exited = once(child, 'exit');
  try {
    while (!(await usable())) {
      if (child.exitCode !== null || performance.now() - began > 120_000) throw new Error(output);
      await sleep(20);
    }
    return performance.now() - began;
  } finally {
    if (child.exitCode === null) process.kill(-(child.pid as number), 'SIGINT');
    await exited;
  }
}

const first = await start();
console.log(`the first start took ${(first / 1000).toFixed(1)} s`);
const times: number[] = [];
for (let round = 0; round < ROUNDS; round += 1) times.push(await start());
report({
  name: `a start with data, slowest of ${ROUNDS}`,
  value: Math.max(...times) / 1000,
  unit: 's',
  target: { value: 8 },
});
