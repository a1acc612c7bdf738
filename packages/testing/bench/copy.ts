// Bulk load of 100,000 rows: COPY and the unnest fallback, against pg-copy-streams fed with finished text.
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createClient } from '@stackyard/postgres';
import { report, time } from '@stackyard/testing/bench';
import pg from 'pg';
import { from } from 'pg-copy-streams';
import { startPostgres } from 'stackyard/engines/postgres';

await using server = await startPostgres();
await using client = createClient({ url: server.url });
await client.execute(
  'CREATE TABLE enrolment (id int, student text, section text, begins date, score numeric)',
);
const columns = ['id', 'student', 'section', 'begins', 'score'];
const rows = Array.from({ length: 100_000 }, (_, id) => [
  ...[id, `student-${id % 4500}`, `section-${id % 300}`, '2026-09-01', id / 7],
]);
const text = rows.map((row) => `${row.join('\t')}\n`).join('');

async function best(work: () => Promise<unknown>): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 5; round += 1) {
    await client.execute('TRUNCATE enrolment');
    least = Math.min(least, await time(work));
  }
  return least;
}

const bare = new pg.Client(server.url);
await bare.connect();
const baseline = {
  name: 'bare COPY',
  value: await best(() => pipeline(Readable.from([text]), bare.query(from('COPY enrolment FROM STDIN')))),
};
await bare.end();
for (const method of ['copy', 'unnest'] as const) {
  const value = await best(() => client.copyInto('enrolment', columns, rows, { method }));
  report({ name: `copyInto, 100,000 rows, ${method}`, value, unit: 'ms', baseline });
}
