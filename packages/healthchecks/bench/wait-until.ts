// How late `waitUntil` notices that a server answers, against a direct probe sent the moment it does.
import { createServer } from 'node:http';
import { http, waitUntil } from '../src/index.ts';

const readyAfterMs = [20, 50, 100, 250, 500, 1000, 2000, 3000];
const rounds = 5;
const targetMs = 25;

interface Round {
  /** Milliseconds from listening to the answer of a probe sent at that moment. */
  readonly direct: number;
  /** Milliseconds from listening to the return of `waitUntil`. */
  readonly noticed: number;
  readonly attempts: number;
}

async function round(delayMs: number): Promise<Round> {
  const server = createServer((_, res) => res.end('ok'));
  const port = await listen(server, 0);
  await new Promise((resolve) => server.close(resolve));
  const probe = http(`http://127.0.0.1:${port}/`);

  const readiness = (async () => {
    await new Promise((resolve) => setTimeout(resolve, delayMs));
    await listen(server, port);
    const at = performance.now();
    // At the same time, not afterwards: what slows the machine down then slows both.
    await probe(AbortSignal.timeout(5000));
    return { at, direct: performance.now() - at };
  })();
  const { attempts } = await waitUntil(probe, { timeoutMs: 10_000 });
  const noticedAt = performance.now();
  const { at, direct } = await readiness;
  await new Promise((resolve) => server.close(resolve));
  return { direct, noticed: noticedAt - at, attempts };
}

function listen(server: ReturnType<typeof createServer>, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => resolve((server.address() as { port: number }).port));
  });
}

await round(10); // compiles the code
const columns = [
  'ready after',
  'probes',
  'direct probe',
  'waitUntil',
  'ratio',
  'later by, p50',
  'later by, worst',
];
console.log(columns.map((column) => column.padStart(17)).join(''));
const all: number[] = [];
for (const delayMs of readyAfterMs) {
  const results: Round[] = [];
  for (let index = 0; index < rounds; index += 1) results.push(await round(delayMs));
  const direct = median(results.map((result) => result.direct));
  const noticed = median(results.map((result) => result.noticed));
  const later = results.map((result) => result.noticed - result.direct);
  all.push(...later);
  const cells = [
    `${delayMs} ms`,
    String(median(results.map((result) => result.attempts))),
    `${direct.toFixed(2)} ms`,
    `${noticed.toFixed(2)} ms`,
    `${(noticed / direct).toFixed(1)} x`,
    `${median(later).toFixed(2)} ms`,
    `${Math.max(...later).toFixed(2)} ms`,
  ];
  console.log(cells.map((cell) => cell.padStart(17)).join(''));
}
const p95 = percentile(all, 0.95);
console.log(
  `\nwaitUntil notices readiness ${p95.toFixed(1)} ms after a direct probe would ` +
    `(p95 of ${all.length}; worst ${Math.max(...all).toFixed(1)} ms; target <= ${targetMs} ms)`,
);
process.exitCode = p95 <= targetMs ? 0 : 1;

function median(values: readonly number[]): number {
  return percentile(values, 0.5);
}

function percentile(values: readonly number[], share: number): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length * share)] as number;
}
