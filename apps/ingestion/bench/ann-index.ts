/**
 * A first load: chunks that are loaded before the HNSW index is built, as the worker does, against the same load into a
 * table that has the index. DATABASE_URL names a native PostgreSQL with pgvector, an empty database.
 */
import { createClient } from '@stackyard/postgres';
import { report, time } from '@stackyard/testing/bench';
import { setup } from '../src/setup.ts';
import { ensureAnnIndex } from '../src/store/ann-index.ts';
import { ensureModel, partitionOf } from '../src/store/models.ts';
import { addDocuments, loadChunks } from './passages.ts';

const url = process.env.DATABASE_URL;
const CHUNKS = Number(process.env.CHUNKS ?? 20_000);
const DIMENSIONS = 384;

async function main(databaseUrl: string): Promise<void> {
  await setup({ databaseUrl });
  await using client = createClient({ url: databaseUrl, connections: 2 });
  const model = await ensureModel(client, { model: 'bench', dimensions: DIMENSIONS });
  const table = partitionOf(model.id);
  const documents = await addDocuments(client, CHUNKS);
  const contents = async () =>
    (
      await client.one<{ sum: string }>(
        `SELECT md5(string_agg(md5(text || embedding::text), '' ORDER BY version_id, ordinal)) AS sum FROM ${table}`,
      )
    ).sum;
  await client.query(`TRUNCATE ${table}`);
  const loading = await time(() => loadChunks(client, model, documents));
  const building = await time(() => ensureAnnIndex(client, model, { from: 1 }));
  const sum = await contents();
  await client.query(`TRUNCATE ${table}`);
  const inserting = await time(() => loadChunks(client, model, documents));
  if ((await contents()) !== sum) throw new Error('The two ways did not store the same contents');
  console.log(
    `native, ${CHUNKS} chunks x ${DIMENSIONS}: loaded in ${loading.toFixed(0)} ms, built in ${building.toFixed(0)} ms`,
  );
  report({
    name: `${CHUNKS} chunks loaded, then indexed`,
    value: loading + building,
    unit: 'ms',
    baseline: { name: 'with the index there', value: inserting },
    target: { ratio: 1 / 5 },
  });
}

if (url === undefined) console.log('DATABASE_URL names no native PostgreSQL: there is nothing to measure');
else await main(url);
