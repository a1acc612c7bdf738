// Client overhead: the same SELECT 1 through our client and through a bare pg pool, in alternating rounds.
// The fastest rounds count: what other processes do to the slower ones is not our overhead. Which core a server
// process lands on weighs more than the client does, so both get new connections again and again.
import { createClient } from '@stackyard/postgres';
import { percentile, report, time } from '@stackyard/testing/bench';
import pg from 'pg';
import { startPostgres } from 'stackyard/engines/postgres';

const episodes = 25;
const rounds = 20;
const warmUp = 5;

await using server = await startPostgres();

type Query = () => Promise<unknown>;
type Samples = Record<'ours' | 'bare', number[]>;

const sequential = (query: Query) => async () => {
  for (let i = 0; i < 200; i += 1) await query();
};
const parallel = (query: Query) => async () => {
  for (let i = 0; i < 20; i += 1) await Promise.all(Array.from({ length: 10 }, query));
};

/** Microseconds a query of each round, ours and bare, over connections of their own. */
async function episode(shape: (query: Query) => () => Promise<void>): Promise<Samples> {
  await using client = createClient({ url: server.url, connections: 10 });
  const pool = new pg.Pool({ connectionString: server.url, max: 10 });
  const run = {
    ours: shape(() => client.query('SELECT 1')),
    bare: shape(() => pool.query('SELECT 1')),
  };
  const samples: Samples = { ours: [], bare: [] };
  for (let round = 0; round < warmUp + rounds; round += 1) {
    // Who begins alternates.
    for (const who of round % 2 ? (['ours', 'bare'] as const) : (['bare', 'ours'] as const)) {
      const ms = await time(run[who]);
      if (round >= warmUp) samples[who].push((1000 * ms) / 200);
    }
  }
  await pool.end();
  return samples;
}

for (const [name, shape] of [
  ['sequential', sequential],
  ['10 parallel', parallel],
] as const) {
  const seen: Samples[] = [];
  for (let i = 0; i < episodes; i += 1) seen.push(await episode(shape));
  const fastest = (who: keyof Samples) =>
    percentile(
      seen.flatMap((one) => one[who]),
      0.02,
    );
  report({
    name: `client, SELECT 1, ${name}`,
    value: fastest('ours'),
    unit: 'us',
    baseline: { name: 'bare pg', value: fastest('bare') },
    target: { ratio: 1.05 },
  });
}
