/**
 * A first load: chunks that are loaded before the HNSW index is built, as the worker does, against the same load into a
 * table that has the index. DATABASE_URL names a native PostgreSQL with pgvector, an empty database.
 *
 * The application's own table makes and indexes words too, which takes as long either way; the other table is like those
 * of the stores that know vectors only.
 */
import { type Client, createClient } from '@stackyard/postgres';
import { report, time } from '@stackyard/testing/bench';
import { setup } from '../src/setup.ts';
import { ensureAnnIndex } from '../src/store/ann-index.ts';
import type { ChunkOwner } from '../src/store/chunk-rows.ts';
import { ensureModel, partitionOf, type StoredModel } from '../src/store/models.ts';
import { addDocuments, loadChunks } from './support/passages.ts';

const url = process.env.DATABASE_URL;
const CHUNKS = Number(process.env.CHUNKS ?? 20_000);
const DIMENSIONS = 384;

async function compare(client: Client, name: string, model: StoredModel, documents: readonly ChunkOwner[]) {
  const table = partitionOf(model.id);
  const contents = () =>
    client.one<{ sum: string }>(
      `SELECT md5(string_agg(md5(text || embedding::text), '' ORDER BY version_id, ordinal)) AS sum FROM ${table}`,
    );
  const loading = await time(() => loadChunks(client, model, documents));
  const building = await time(() => ensureAnnIndex(client, model, { from: 1 }));
  const { sum } = await contents();
  await client.query(`TRUNCATE ${table}`);
  const inserting = await time(() => loadChunks(client, model, documents));
  if ((await contents()).sum !== sum) throw new Error('The two ways did not store the same contents');
  console.log(`${name}: loaded in ${loading.toFixed(0)} ms, index built in ${building.toFixed(0)} ms`);
  report({
    name: `${name}, loaded, then indexed`,
    value: loading + building,
    unit: 'ms',
    baseline: { name: 'with the index there', value: inserting },
    target: { ratio: 1 / 5 },
  });
  await client.query(`TRUNCATE ${table}; DROP INDEX ${table}_ann`);
}

async function main(databaseUrl: string): Promise<void> {
  await setup({ databaseUrl });
  await using client = createClient({ url: databaseUrl, connections: 2 });
  console.log(`native, ${CHUNKS} chunks x ${DIMENSIONS}`);
  const own = await ensureModel(client, { model: 'bench', dimensions: DIMENSIONS });
  const plain = { ...own, id: 9000 };
  await client.query(`
    CREATE TABLE ${partitionOf(plain.id)} (LIKE ${partitionOf(own.id)} INCLUDING STORAGE INCLUDING COMPRESSION);
    ALTER TABLE ${partitionOf(plain.id)} DROP COLUMN search, ADD PRIMARY KEY (model_id, version_id, ordinal)`);
  const documents = await addDocuments(client, CHUNKS);
  await compare(client, 'vectors and texts', plain, documents);
  await compare(client, 'with full text', own, documents);
}

if (url === undefined) console.log('DATABASE_URL names no native PostgreSQL: there is nothing to measure');
else await main(url);
