import { randomUUID } from 'node:crypto';
import type { Client } from '@stackyard/postgres';
import { binaryCopy } from '../../src/store/binary-copy.ts';
import { type ChunkOwner, chunkColumns, writeChunks } from '../../src/store/chunk-rows.ts';
import { asService } from '../../src/store/database.ts';
import { partitionOf, type StoredModel } from '../../src/store/models.ts';
import { saveTenant } from '../../src/store/tenants.ts';
import { passage, randomOf, TENANTS, tenantOf, vectorsOf } from './corpus.ts';

const PER_DOCUMENT = 10;

/** Makes ready documents without chunks, ten chunks' worth for each. */
export async function addDocuments(client: Client, chunks: number): Promise<ChunkOwner[]> {
  for (const tenant of TENANTS.flat()) await saveTenant(client, tenant);
  const documents = Array.from({ length: chunks / PER_DOCUMENT }, (_, index) => ({
    documentId: randomUUID(),
    versionId: randomUUID(),
    tenantId: tenantOf(index),
  }));
  await asService(client, (tx) =>
    tx.query(
      `WITH d AS (SELECT * FROM jsonb_to_recordset($1) AS x("documentId" uuid, "versionId" uuid, "tenantId" text)),
         o AS (INSERT INTO object SELECT DISTINCT "tenantId", sha256(''), 0 FROM d ON CONFLICT DO NOTHING),
         a AS (INSERT INTO document (id, tenant_id, name, hash, latest_version, current_version)
               SELECT "documentId", "tenantId", 'bench', sha256(''), "versionId", "versionId" FROM d)
       INSERT INTO version (id, tenant_id, document_id, number, hash, bytes, name, status, chunks)
       SELECT "versionId", "tenantId", "documentId", 1, sha256(''), 0, 'bench', 'ready', ${PER_DOCUMENT} FROM d`,
      [JSON.stringify(documents)],
    ),
  );
  return documents;
}

/** Loads the chunks of the documents as the worker does, the same texts and vectors in every run. */
export async function loadChunks(
  client: Client,
  model: StoredModel,
  documents: readonly ChunkOwner[],
): Promise<void> {
  const random = randomOf(1);
  const vector = vectorsOf(randomOf(2), model.dimensions);
  await client.connection((connection) =>
    binaryCopy(connection, partitionOf(model.id), chunkColumns, async (rows) => {
      for (const owner of documents) {
        const chunks = Array.from({ length: PER_DOCUMENT }, (_, index) => {
          const text = passage(random);
          const kind = 'prose' as const;
          return { id: randomUUID(), index, kind, start: 0, end: text.length, text, tokens: 400 };
        });
        await writeChunks(rows, model.id, owner, chunks, chunks.map(vector));
      }
    }),
  );
}
