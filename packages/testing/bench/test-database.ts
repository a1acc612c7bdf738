// An isolated test database, from asking for it to the first answer, under four parallel workers: on the embedded
// backend, and on containers where a Docker engine answers. `test-database.ts embedded` measures that one alone.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { testDatabases } from '@stackyard/postgres/testing';
import { percentile, report, time } from '@stackyard/testing/bench';
import { type Backend, chooseBackend } from '../src/backends.ts';

const perWorker = 60;
/** What a test does besides: it works with the database for about as long as tests here do. */
const testMs = 50;

/** Milliseconds that the median and the slowest twentieth may take. */
const targets = { embedded: { p50: 15, p95: 40 }, containers: { p50: 25, p95: undefined } } as const;

const [url, migrations] = process.argv.slice(2);
if (url && migrations) await work(url, migrations);
else {
  for (const name of ['embedded', 'containers'] as const) {
    if (url && url !== name) continue;
    const backend = chooseBackend(name, resolve(import.meta.dirname, '../../..'));
    const missing = await backend.check().then(
      () => undefined,
      (error: Error) => error.message,
    );
    if (missing === undefined) await measure(name, backend);
    else console.log(`test database, ${name}: not measured. ${missing}`);
  }
}

async function measure(backendName: keyof typeof targets, backend: Backend): Promise<void> {
  await using server = await backend.postgres();
  const folder = await mkdtemp(join(tmpdir(), 'bench-migrations-'));
  try {
    const tables = Array.from(
      { length: 40 },
      (_, i) => `CREATE TABLE t${i} (id int PRIMARY KEY, name text);`,
    );
    await writeFile(join(folder, '1_tables.sql'), tables.join('\n'));
    // The template exists when tests run, but for the first time after a change.
    await using databases = testDatabases({ url: server.url, migrations: folder, ahead: 1 });
    const plain = await databases.open();
    const copies: number[] = [];
    for (let i = 0; i < 10; i += 1) {
      const name = `plain_${i}`;
      copies.push(
        await time(async () => {
          const template = plain.name.slice(0, plain.name.indexOf('_', 4));
          await using admin = await databases.open();
          await admin.client.execute(`CREATE DATABASE ${name} TEMPLATE ${template} STRATEGY FILE_COPY`);
        }),
      );
    }
    const workers = Array.from({ length: 4 }, () => fork(import.meta.filename, [server.url, folder]));
    const samples = await Promise.all(
      workers.map(async (worker) => {
        const [taken] = (await once(worker, 'message')) as [number[]];
        await once(worker, 'exit');
        return taken;
      }),
    );
    const baseline = { name: 'CREATE DATABASE', value: percentile(copies, 0.5) };
    const later = samples.flatMap(([, ...rest]) => rest);
    report({
      name: `test database, ${backendName}, p50`,
      value: percentile(later, 0.5),
      unit: 'ms',
      baseline,
      target: { value: targets[backendName].p50 },
    });
    report({
      name: `test database, ${backendName}, p95`,
      value: percentile(later, 0.95),
      unit: 'ms',
      baseline,
      ...(targets[backendName].p95 && { target: { value: targets[backendName].p95 } }),
    });
    report({
      name: `test database, ${backendName}, first of worker`,
      value: percentile(
        samples.map(([first]) => first as number),
        0.5,
      ),
      unit: 'ms',
      baseline,
    });
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function work(server: string, folder: string): Promise<void> {
  await using databases = testDatabases({ url: server, migrations: folder });
  const samples: number[] = [];
  for (let i = 0; i < perWorker; i += 1) {
    const start = performance.now();
    await using database = await databases.open();
    await database.client.query('SELECT count(*) FROM t0');
    samples.push(performance.now() - start);
    const end = performance.now() + testMs;
    while (performance.now() < end) {
      await database.client.query('INSERT INTO t1 VALUES ((SELECT count(*) FROM t1), $1)', ['name']);
      await sleep(2);
    }
  }
  process.send?.(samples);
}
