// Client overhead: the same SELECT 1 through our client and through a bare pg pool, in alternating rounds.
// The tenth percentile of the rounds counts: what other processes do to the slower ones is not our overhead.
import { createClient } from '@stackyard/postgres';
import { percentile, report, time } from '@stackyard/testing/bench';
import pg from 'pg';
import { startPostgres } from 'stackyard/engines/postgres';

await using server = await startPostgres();
await using client = createClient({ url: server.url, connections: 10 });
const pool = new pg.Pool({ connectionString: server.url, max: 10 });

const sequential = (query: () => Promise<unknown>) => async () => {
  for (let i = 0; i < 200; i += 1) await query();
};
const parallel = (query: () => Promise<unknown>) => async () => {
  for (let i = 0; i < 20; i += 1) await Promise.all(Array.from({ length: 10 }, query));
};
const ours = () => client.query('SELECT 1');
const bare = () => pool.query('SELECT 1');

for (const [name, shape, count] of [
  ['sequential', sequential, 200],
  ['10 parallel', parallel, 200],
] as const) {
  const samples = { ours: [] as number[], bare: [] as number[] };
  for (let round = 0; round < 205; round += 1) {
    // The first rounds warm up; who begins alternates.
    const order = round % 2 ? (['ours', 'bare'] as const) : (['bare', 'ours'] as const);
    for (const who of order) {
      const ms = await time(shape(who === 'ours' ? ours : bare));
      if (round >= 5) samples[who].push((1000 * ms) / count);
    }
  }
  report({
    name: `client, SELECT 1, ${name}`,
    value: percentile(samples.ours, 0.1),
    unit: 'us',
    baseline: { name: 'bare pg', value: percentile(samples.bare, 0.1) },
    target: { ratio: 1.05 },
  });
}
await pool.end();
