/**
 * Hybrid search over 100,000 passages with the tenant's filter: time, and how much of the exact answer comes out.
 * DATABASE_URL chooses a native PostgreSQL with pgvector, empty or filled by an earlier run; the embedded engine searches
 * a smaller set.
 *
 * The exact answer is made by other statements: every distance, and for the words the same weights over every passage that
 * holds one of them, without a limit anywhere.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClient, type Transaction } from '@stackyard/postgres';
import { percentile, report, time } from '@stackyard/testing/bench';
import { startPgvector } from 'stackyard/engines/pgvector';
import { setup } from '../src/setup.ts';
import { ensureAnnIndex } from '../src/store/ann-index.ts';
import { halfvecText } from '../src/store/chunk-rows.ts';
import { asService } from '../src/store/database.ts';
import { ensureModel, liveModels, partitionOf, type StoredModel } from '../src/store/models.ts';
import { search } from '../src/store/search.ts';
import { wordsOf } from '../src/store/search-words.ts';
import { question, randomOf, TENANTS, vectorsOf } from './support/corpus.ts';
import { addDocuments, loadChunks } from './support/passages.ts';

const native = process.env.DATABASE_URL;
const CHUNKS = Number(process.env.CHUNKS ?? (native === undefined ? 5000 : 100_000));
const DIMENSIONS = 384;
const QUESTIONS = 600;
/** The exact answer takes up to a second. */
const COMPARED = 60;
const LIMIT = 10;

await using stack = new AsyncDisposableStack();
const folder = await mkdtemp(join(tmpdir(), 'bench-search-'));
stack.defer(() => rm(folder, { recursive: true, force: true }));
const url =
  native ?? stack.use(await startPgvector({ dataDirectory: join(folder, 'data'), database: 'bench' })).url;
await setup({ databaseUrl: url });
const client = stack.use(createClient({ url, connections: 2 }));
const made = await ensureModel(client, { model: 'bench', dimensions: DIMENSIONS });
const table = partitionOf(made.id);
console.log(`${native === undefined ? 'embedded engine' : 'native'}, ${CHUNKS} chunks x ${DIMENSIONS}`);
const { there } = await client.one<{ there: number }>(`SELECT count(*)::int AS there FROM ${table}`);
if (there === 0) {
  const loaded = await time(async () => loadChunks(client, made, await addDocuments(client, CHUNKS)));
  const built = await time(() => ensureAnnIndex(client, made, { from: 1 }));
  await client.query(`ANALYZE ${table}; ANALYZE document`);
  console.log(`loaded in ${(loaded / 1000).toFixed(1)} s, index built in ${(built / 1000).toFixed(1)} s`);
} else if (there !== CHUNKS) throw new Error(`${url} holds ${there} chunks already`);
const model = (await liveModels(client)).find(({ id }) => id === made.id) as StoredModel;
if (native !== undefined && !model.indexed) throw new Error('The index over the vectors is missing');

/** As many questions for the large tenant as for all middle ones and for all small ones. */
const random = randomOf(3);
const vector = vectorsOf(randomOf(2), DIMENSIONS);
const questions = Array.from({ length: QUESTIONS }, (_, index) => {
  const group = TENANTS[index % TENANTS.length] as string[];
  const tenant = group[Math.floor(index / TENANTS.length) % group.length] as string;
  return { tenant, vector: vector(), text: question(random) };
});
type Question = (typeof questions)[number];
const ask = ({ tenant, ...asked }: Question, mode: 'hybrid' | 'vector' | 'text') =>
  search(client, tenant, model, { ...asked, mode, limit: LIMIT, filter: {} });

for (const each of questions.slice(0, 100)) await ask(each, 'hybrid');
const times: number[] = [];
for (const each of questions) times.push(await time(() => ask(each, 'hybrid')));
console.log(`hybrid search: median ${percentile(times, 0.5).toFixed(1)} ms`);
for (const [at, group] of TENANTS.entries()) {
  const own = times.filter((_, index) => index % TENANTS.length === at);
  console.log(`  ${group[0]}: 95 of 100 within ${percentile(own, 0.95).toFixed(1)} ms`);
}
report({
  name: 'hybrid search, 95 of 100 within',
  value: percentile(times, 0.95),
  unit: 'ms',
  ...(native !== undefined && { target: { value: 40 } }),
});

/** The list of one kind, exactly. */
async function exactly(tx: Transaction, { tenant, ...asked }: Question, mode: 'vector' | 'text') {
  const words = await wordsOf(tx, tenant, model, mode === 'text' ? asked.text : '');
  if (mode === 'text' && words.weighed.length === 0) return [];
  const order =
    mode === 'vector'
      ? `embedding <=> '${halfvecText(asked.vector)}'`
      : `-(${words.weighed.map(({ word, weight }) => `${weight} * ts_rank(unpacked, $$${word}$$::tsquery, 1)`).join(' + ')})`;
  const any = words.weighed.map(({ word }) => word).join(' | ');
  const rows = await tx.query<{ id: string; place: string }>(
    `SELECT id, version_id || ' ' || ordinal AS place, ${order} AS worse FROM (SELECT id, version_id, ordinal, embedding, search || '' AS unpacked FROM ${table}
       WHERE tenant_id = $1 ${mode === 'text' ? `AND search @@ $$${any}$$::tsquery` : ''} OFFSET 0) AS own
     ORDER BY worse, version_id, ordinal LIMIT 100`,
    [tenant],
  );
  return rows;
}

/** Both lists as one; what is worth the same goes by its place, as in the search. */
function fused(lists: readonly { id: string; place: string }[][]): string[] {
  const scores = new Map<string, { place: string; score: number }>();
  for (const list of lists)
    for (const [index, { id, place }] of list.entries()) {
      const score = (scores.get(id)?.score ?? 0) + 1 / (61 + index);
      scores.set(id, { place, score });
    }
  return [...scores]
    .toSorted(([, a], [, b]) => b.score - a.score || (a.place < b.place ? -1 : 1))
    .map(([id]) => id);
}

const found = { hybrid: 0, vector: 0, text: 0 };
const all = { hybrid: 0, vector: 0, text: 0 };
for (const each of questions.slice(0, COMPARED)) {
  const [near, worded] = await asService(client, async (tx) => {
    await tx.query('SET LOCAL enable_indexscan = off');
    return [await exactly(tx, each, 'vector'), await exactly(tx, each, 'text')];
  });
  const exact = { vector: fused([near]), text: fused([worded]), hybrid: fused([near, worded]) };
  for (const mode of ['hybrid', 'vector', 'text'] as const) {
    const best = exact[mode].slice(0, LIMIT);
    const hits = new Set((await ask(each, mode)).map(({ chunkId }) => chunkId));
    all[mode] += best.length;
    found[mode] += best.filter((id) => hits.has(id)).length;
  }
}
for (const mode of ['hybrid', 'vector', 'text'] as const) {
  report({
    name: `of the exact ten missed, ${mode}`,
    value: 1 - found[mode] / all[mode],
    unit: '',
    ...(mode !== 'text' && { target: { value: 0.05 } }),
  });
}
