// How late `waitUntil` notices that a server answers, against a direct probe sent the moment it does.
import { createServer } from 'node:http';
import { http, waitUntil } from '../src/index.ts';

const readyAfterMs = [20, 50, 100, 250, 500, 1000, 2000, 3000];
const rounds = 5;
const targetMs = 25;

interface Round {
  readonly noticed: number;
  readonly direct: number;
  readonly attempts: number;
}

async function round(delayMs: number): Promise<Round> {
  const server = createServer((_, res) => res.end('ok'));
  const reserve = await listen(server, 0);
  await new Promise((resolve) => server.close(resolve));
  const probe = http(`http://127.0.0.1:${reserve}/`);

  const readiness = (async () => {
    await new Promise((resolve) => setTimeout(resolve, delayMs));
    await listen(server, reserve);
    return performance.now();
  })();
  const { attempts } = await waitUntil(probe, { timeoutMs: 10_000 });
  const noticedAt = performance.now();
  const readyAt = await readiness;

  const before = performance.now();
  await probe(AbortSignal.timeout(5000));
  const direct = performance.now() - before;
  await new Promise((resolve) => server.close(resolve));
  return { noticed: noticedAt - readyAt, direct, attempts };
}

function listen(server: ReturnType<typeof createServer>, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => resolve((server.address() as { port: number }).port));
  });
}

const columns = ['ready after', 'probes', 'direct probe', 'waitUntil, worst', 'later by', 'ratio'];
console.log(columns.map((column) => column.padStart(17)).join(''));
let worst = 0;
for (const delayMs of readyAfterMs) {
  const results: Round[] = [];
  for (let index = 0; index < rounds; index += 1) results.push(await round(delayMs));
  const direct = results.map((result) => result.direct).toSorted((a, b) => a - b)[rounds >> 1] as number;
  const noticed = Math.max(...results.map((result) => result.noticed));
  const probes = Math.round(results.reduce((sum, result) => sum + result.attempts, 0) / rounds);
  worst = Math.max(worst, noticed - direct);
  const cells = [
    `${delayMs} ms`,
    String(probes),
    `${direct.toFixed(2)} ms`,
    `${noticed.toFixed(2)} ms`,
    `${(noticed - direct).toFixed(2)} ms`,
    `${(noticed / direct).toFixed(1)} x`,
  ];
  console.log(cells.map((cell) => cell.padStart(17)).join(''));
}
console.log(
  `\nwaitUntil notices readiness at most ${worst.toFixed(1)} ms after a direct probe would (target <= ${targetMs} ms)`,
);
process.exitCode = worst <= targetMs ? 0 : 1;
