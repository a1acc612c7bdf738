/**
 * Writing chunks: this application's binary COPY against the floor (the same bytes encoded beforehand) and against the
 * stores of LangChain and LlamaIndex, the packages themselves. Native PostgreSQL + pgvector where DATABASE_URL is given,
 * the embedded engine otherwise; never mixed.
 *
 * The peers store text, metadata and vector, and so does the table that is compared with them. What full-text search
 * adds in this application's own table, which the peers do not have, is shown apart.
 */
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { PGlite } from '@electric-sql/pglite';
import { vector } from '@electric-sql/pglite-pgvector';
import { createClient } from '@stackyard/postgres';
import { percentile, report, time } from '@stackyard/testing/bench';
import type { ClientBase } from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { startPgvector } from 'stackyard/engines/pgvector';
import type { Chunk, Vector } from '../src/pipeline/index.ts';
import { setup } from '../src/setup.ts';
import { binaryCopy, CopyBuffer } from '../src/store/binary-copy.ts';
import { chunkColumns, writeChunks } from '../src/store/chunk-rows.ts';
import { ensureModel, partitionOf } from '../src/store/models.ts';
import { article } from '../test/documents.ts';
import { openPeers, type Row } from './peers/stores.ts';

const native = process.env.DATABASE_URL;
const COUNT = Number(process.env.CHUNKS ?? (native === undefined ? 2000 : 10_000));
const DIMENSIONS = Number(process.env.DIMENSIONS ?? 768);
const ROUNDS = 5;

await using stack = new AsyncDisposableStack();
const folder = await mkdtemp(join(tmpdir(), 'bench-write-'));
stack.defer(() => rm(folder, { recursive: true, force: true }));
const url =
  native ?? stack.use(await startPgvector({ dataDirectory: join(folder, 'data'), database: 'bench' })).url;
console.log(
  `${native === undefined ? 'embedded engine' : 'native'}, ${COUNT} chunks x ${DIMENSIONS}, medians of ${ROUNDS} interleaved rounds`,
);
await setup({ databaseUrl: url });
const client = stack.use(createClient({ url, connections: 2 }));
const model = await ensureModel(client, { model: 'bench', dimensions: DIMENSIONS });
const full = partitionOf(model.id);
await client.query(`
  DROP TABLE IF EXISTS plain;
  CREATE TABLE plain (LIKE ${full} INCLUDING STORAGE INCLUDING COMPRESSION);
  ALTER TABLE plain DROP COLUMN search, ADD PRIMARY KEY (model_id, version_id, ordinal)`);
const peers = await openPeers(url, DIMENSIONS);
for (const peer of peers) stack.use(peer);

const texts = Array.from({ length: COUNT }, (_, index) =>
  `Chunk ${index}. ${article(1500, index + 1)}`.trim(),
);
// Dense, as those of a model are; the built-in hashing gives many zeros, which are short as text.
const vectors: Vector[] = texts.map(() => unitVector());
const chunks: Chunk[] = texts.map((text, index) => ({
  id: randomUUID(),
  index,
  kind: 'prose',
  start: 0,
  end: text.length,
  text,
  tokens: 400,
}));
const owner = { tenantId: 'bench', documentId: randomUUID(), versionId: randomUUID() };
const rows: Row[] = chunks.map(({ id, text }, index) => ({
  id,
  text,
  vector: Array.from(vectors[index] as Vector),
}));

const encode = (buffer: CopyBuffer) => writeChunks(buffer, model.id, owner, chunks, vectors);
const prebuilt: Buffer[] = [];
const buffer = new CopyBuffer((piece) => void prebuilt.push(piece));
await encode(buffer);
await buffer.end();

/** As the worker writes. */
const ours = (table: string) => (connection: ClientBase) =>
  binaryCopy(connection, table, chunkColumns, encode);

/** Bytes that are there already. */
const floor = (table: string) => (connection: ClientBase) =>
  pipeline(
    Readable.from(prebuilt),
    connection.query(copyFrom(`COPY ${table} (${chunkColumns.join(', ')}) FROM STDIN (FORMAT binary)`)),
  );

function unitVector(): Float32Array {
  const made = Float32Array.from({ length: DIMENSIONS }, () => Math.random() - 0.5);
  const length = Math.hypot(...made);
  return made.map((value) => value / length);
}

interface Way {
  readonly table: string;
  readonly contents: string;
  readonly write: (connection: ClientBase) => Promise<void>;
}
const ownContents = (table: string) => `SELECT id::text, text, embedding AS vector FROM ${table}`;
const ways: Record<string, Way> = {
  floor: { table: 'plain', contents: ownContents('plain'), write: floor('plain') },
  ours: { table: 'plain', contents: ownContents('plain'), write: ours('plain') },
  'floor with full text': { table: full, contents: ownContents(full), write: floor(full) },
  'ours with full text': { table: full, contents: ownContents(full), write: ours(full) },
};
for (const { name, table, contents, add } of peers) ways[name] = { table, contents, write: () => add(rows) };

if (native === undefined) {
  // The same engine without a wire in between: the bytes are there before the clock starts.
  const direct = await PGlite.create({ dataDir: join(folder, 'direct'), extensions: { vector } });
  stack.defer(() => direct.close());
  await direct.exec(`CREATE EXTENSION vector; CREATE TABLE plain (model_id int NOT NULL, version_id uuid NOT NULL,
    ordinal int NOT NULL, id uuid NOT NULL, tenant_id text NOT NULL, document_id uuid NOT NULL, kind text NOT NULL,
    start_offset int NOT NULL, end_offset int NOT NULL, text text NOT NULL, context text, place jsonb,
    tokens int NOT NULL, embedding halfvec NOT NULL, PRIMARY KEY (model_id, version_id, ordinal));
    ALTER TABLE plain ALTER COLUMN embedding SET STORAGE PLAIN, ALTER COLUMN text SET STORAGE EXTERNAL`);
  const blob = new Blob([Buffer.concat(prebuilt)]);
  ways['in process'] = {
    table: 'plain',
    contents: ownContents('plain'),
    async write() {
      await direct.exec('TRUNCATE plain');
      await direct.query(`COPY plain (${chunkColumns.join(', ')}) FROM '/dev/blob' (FORMAT binary)`, [], {
        blob,
      });
      const { rows: stored } = await direct.query<{ n: number }>('SELECT count(*)::int AS n FROM plain');
      if (stored[0]?.n !== COUNT) throw new Error('The engine in this process did not store everything');
    },
  };
}

/** Order and precision of a store do not count: the vectors have unit length, and are compared as halves. */
async function checksum(contents: string): Promise<string> {
  const { sum } = await client.one<{ sum: string }>(
    `SELECT md5(string_agg(md5(id || text || vector::halfvec::text), '' ORDER BY id)) AS sum FROM (${contents}) AS stored`,
  );
  return sum;
}
const samples = new Map(Object.keys(ways).map((name) => [name, [] as number[]]));
const sums = new Set<string>();
for (let round = 0; round <= ROUNDS; round += 1) {
  // Each way begins a round once in a while: the first of a round finds colder caches.
  const order = Object.entries(ways);
  const start = round % order.length;
  for (const [name, { table, contents, write }] of [...order.slice(start), ...order.slice(0, start)]) {
    await client.query(`TRUNCATE ${table}`);
    const elapsed = await client.connection((connection) => time(() => write(connection)));
    // The first round only warms up; contents are compared in it, before any time counts.
    if (round > 0) samples.get(name)?.push(elapsed);
    else if (name !== 'in process') sums.add(await checksum(contents));
  }
  if (sums.size !== 1) throw new Error('The ways did not store the same contents');
}

const median = (name: string) => percentile(samples.get(name) as number[], 0.5);
const against = (name: string, baseline: string, ratio?: number, value = 'ours') =>
  report({
    name,
    value: median(value),
    unit: 'ms',
    baseline: { name: baseline, value: median(baseline) },
    ...(ratio !== undefined && { target: { ratio } }),
  });
if (native === undefined) against('chunks written, against the engine in process', 'in process', 2);
against('chunks written, against encoded beforehand', 'floor', native === undefined ? undefined : 1.5);
for (const { name } of peers)
  against(`chunks written, against ${name}`, name, native === undefined ? 1 / 5 : 1 / 8);
against('with full text, against encoded beforehand', 'floor with full text', 1.5, 'ours with full text');
for (const { name } of peers)
  against(`with full text, against ${name}`, name, undefined, 'ours with full text');
