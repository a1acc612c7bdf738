/**
 * Writing chunks: this application's binary COPY against the floor (a prebuilt COPY buffer into the same table) and
 * against the stores of LangChain JS and LlamaIndex TS, written as they write (the statements of their current
 * releases). Native PostgreSQL + pgvector where DATABASE_URL is given, the embedded engine otherwise; never mixed.
 */
import { createHash, randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClient } from '@stackyard/postgres';
import { percentile, report, time } from '@stackyard/testing/bench';
import type { ClientBase } from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { startPgvector } from 'stackyard/engines/pgvector';
import { type Chunk, createHashingEmbedder, type Vector } from '../src/pipeline/index.ts';
import { setup } from '../src/setup.ts';
import { chunkColumns, writeChunks } from '../src/store/chunk-rows.ts';
import { CopyBuffer } from '../src/store/copy-buffer.ts';
import { ensureModel, partitionOf } from '../src/store/models.ts';

const COUNT = Number(process.env.CHUNKS ?? 2000);
const DIMENSIONS = 384;
const ROUNDS = 5;

await using stack = new AsyncDisposableStack();
const folder = await mkdtemp(join(tmpdir(), 'bench-write-'));
stack.defer(() => rm(folder, { recursive: true, force: true }));
let url = process.env.DATABASE_URL;
if (url === undefined) {
  const database = stack.use(await startPgvector({ dataDirectory: join(folder, 'data'), database: 'bench' }));
  url = database.url;
}
console.log(
  `${process.env.DATABASE_URL === undefined ? 'embedded engine' : 'native'}, ${COUNT} chunks x ${DIMENSIONS}, medians of ${ROUNDS} interleaved rounds`,
);
await setup({ databaseUrl: url });
const client = stack.use(createClient({ url, connections: 2 }));
const model = await ensureModel(client, { model: 'bench', dimensions: DIMENSIONS });
const table = partitionOf(model.id);
await client.query(
  'CREATE TABLE IF NOT EXISTS peer (id uuid PRIMARY KEY, text text, metadata jsonb, embedding vector)',
);

const embedder = createHashingEmbedder({ dimensions: DIMENSIONS });
const texts = Array.from(
  { length: COUNT },
  (_, index) => `Chunk ${index} ${createHash('sha256').update(String(index)).digest('hex').repeat(6)}`,
);
const vectors: Vector[] = await embedder.embed(texts);
const chunks: Chunk[] = texts.map((text, index) => ({
  id: randomUUID(),
  index,
  kind: 'prose',
  start: 0,
  end: text.length,
  text,
  tokens: 100,
}));
const owner = { tenantId: 'bench', documentId: randomUUID(), versionId: randomUUID() };

async function encode(emit: (piece: Buffer) => void): Promise<void> {
  const rows = new CopyBuffer((piece) => void emit(piece));
  await writeChunks(rows, model.id, owner, chunks, vectors);
  await rows.end();
}
const prebuilt: Buffer[] = [];
await encode((piece) => prebuilt.push(piece));

function copy(connection: ClientBase, pieces: AsyncIterable<Buffer> | Iterable<Buffer>): Promise<void> {
  return new Promise((resolve, reject) => {
    const target = connection.query(
      copyFrom(`COPY ${table} (${chunkColumns.join(', ')}) FROM STDIN (FORMAT binary)`),
    );
    target.on('error', reject).on('finish', () => resolve());
    (async () => {
      for await (const piece of pieces) target.write(piece);
      target.end();
    })().catch(reject);
  });
}

const ways: Record<string, (connection: ClientBase) => Promise<void>> = {
  floor: (connection) => copy(connection, prebuilt),
  ours: async (connection) => {
    const pieces: Buffer[] = [];
    await encode((piece) => pieces.push(piece));
    await copy(connection, pieces);
  },
  // PGVectorStore.addVectors: rows of 500 as VALUES, vectors as text.
  langchain: async (connection) => {
    for (let at = 0; at < COUNT; at += 500) {
      const rows = chunks.slice(at, at + 500);
      const values = rows.flatMap((chunk, index) => [
        chunk.id,
        chunk.text,
        {},
        `[${Array.from(vectors[at + index] as Vector).join(',')}]`,
      ]);
      const places = rows.map(
        (_, index) => `($${index * 4 + 1}, $${index * 4 + 2}, $${index * 4 + 3}, $${index * 4 + 4}::vector)`,
      );
      await connection.query(
        `INSERT INTO peer (id, text, metadata, embedding) VALUES ${places.join(',')}`,
        values,
      );
    }
  },
  // PGVectorStore.add: upserts of 100 in a transaction, vectors as text.
  llamaindex: async (connection) => {
    await connection.query('BEGIN');
    for (let at = 0; at < COUNT; at += 100) {
      const rows = chunks.slice(at, at + 100);
      const values = rows.flatMap((chunk, index) => [
        chunk.id,
        chunk.text,
        {},
        `[${Array.from(vectors[at + index] as Vector).join(',')}]`,
      ]);
      const places = rows.map(
        (_, index) => `($${index * 4 + 1}, $${index * 4 + 2}, $${index * 4 + 3}, $${index * 4 + 4})`,
      );
      await connection.query(
        `INSERT INTO peer (id, text, metadata, embedding) VALUES ${places.join(',')} ON CONFLICT (id) DO UPDATE SET text = excluded.text, metadata = excluded.metadata, embedding = excluded.embedding`,
        values,
      );
    }
    await connection.query('COMMIT');
  },
};

const sums = {
  ours: `SELECT md5(string_agg(text || embedding::text, '' ORDER BY id)) AS sum FROM ${table}`,
  peer: `SELECT md5(string_agg(text || embedding::halfvec::text, '' ORDER BY id)) AS sum FROM peer`,
};
const seen = new Set<string>();
const samples: Record<string, number[]> = {};
for (let round = 0; round < ROUNDS; round += 1) {
  // Each way begins a round once in a while: the first of a round finds colder caches.
  const order = Object.entries(ways);
  for (const [name, write] of [
    ...order.slice(round % order.length),
    ...order.slice(0, round % order.length),
  ]) {
    await client.query(`TRUNCATE ${table}, peer`);
    samples[name] ??= [];
    samples[name].push(await client.connection((connection) => time(() => write(connection))));
    const { sum } = await client.one<{ sum: string }>(
      name === 'floor' || name === 'ours' ? sums.ours : sums.peer,
    );
    seen.add(sum);
  }
}
// The hashing embedder gives unit vectors, so every way stores the same numbers at half precision.
if (seen.size !== 1) throw new Error('The ways did not store the same contents');

const median = (name: string) => percentile(samples[name] as number[], 0.5);
const embedded = process.env.DATABASE_URL === undefined;
report({
  name: 'chunk write path',
  value: median('ours'),
  unit: 'ms',
  baseline: { name: 'prebuilt COPY', value: median('floor') },
  target: { ratio: embedded ? 2 : 1.5 },
});
for (const peer of ['langchain', 'llamaindex']) {
  report({
    name: `chunk write path against ${peer}`,
    value: median('ours'),
    unit: 'ms',
    baseline: { name: peer, value: median(peer) },
    target: { ratio: embedded ? 1 / 5 : 1 / 8 },
  });
}
