import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { expect, test, vi } from 'vitest';
import { noteOrphans, sweep } from '../src/store/retention.ts';
import { gatedEmbedder } from './gated-embedder.ts';
import { sharedDatabase } from './shared-database.ts';
import type { TestStack } from './stack.ts';

const open = sharedDatabase();

/** Everything in the database, its statistics and the storage that holds the word, as text or as bytes. */
async function traces({ client, folder }: TestStack, word: string): Promise<string[]> {
  const tables = await client.query<{ name: string }>(
    `SELECT oid::regclass::text AS name FROM pg_class WHERE relkind IN ('r', 'm')
       AND relnamespace <> 'information_schema'::regnamespace ORDER BY 1`,
  );
  const found: string[] = [];
  const forms = [word, Buffer.from(word).toString('hex')];
  for (const { name } of tables) {
    const { has } = await client.one<{ has: boolean }>(
      `SELECT EXISTS (SELECT FROM ${name} AS t WHERE t::text ILIKE ANY ($1)) AS has`,
      [forms.map((form) => `%${form}%`)],
    );
    if (has) found.push(name);
  }
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.name.includes(word)) found.push(path);
    if (entry.isFile() && (await readFile(path)).includes(word)) found.push('storage');
  }
  return found;
}

test('nothing of a document is left anywhere once it is purged', async () => {
  const { stack, api } = await open();
  const word = 'xanthic';
  const keep = await api.ingest('keep.txt', 'this one stays');
  const labels = { key: `key ${word}`, metadata: JSON.stringify({ [word]: [word] }) };
  const headers = { 'idempotency-key': `once ${word}` };
  const first = await api.add(`${word}.md`, `# ${word}\n\nfirst ${word}`, labels, headers);
  await api.settled(first.body.documents[0].documentId);
  const second = await api.ingest(`${word}.md`, `second ${word}`, labels);
  const failed = await api.ingest(`${word}.pdf`, `%PDF-1.4 ${word}`);
  expect([second.latest.number, failed.latest.status]).toEqual([2, 'failed']);
  const encoded = Buffer.from(word).toString('base64');
  const begun = await api.call('/v1/uploads', {
    method: 'POST',
    headers: {
      'upload-length': '7',
      'upload-metadata': `filename ${encoded},metadata ${btoa(labels.metadata)}`,
    },
  });
  const sent = await api.call(begun.headers.get('location') as string, {
    method: 'PATCH',
    body: word,
    headers: { 'content-type': 'application/offset+octet-stream', 'upload-offset': '0' },
  });
  const uploaded = await api.settled(sent.headers.get('ingestion-document') as string);
  await stack.client.query('ANALYZE');
  const everywhere = ['chunk_m1', 'document', 'idempotency_key', 'pg_statistic', 'storage'];
  expect(await traces(stack, word)).toEqual(
    expect.arrayContaining([...everywhere, 'upload', 'version', 'version_text']),
  );

  for (const { id } of [second, failed, uploaded])
    await api.call(`/v1/documents/${id}`, { method: 'DELETE' });
  await stack.client.query(`UPDATE object SET created_at = now() - interval '2 hours'`);
  expect(await sweep(stack.client, stack.storage, { deletedForMs: -1000 })).toMatchObject({
    documents: 3,
    objects: 4,
  });
  expect(await traces(stack, word)).toEqual([]);
  expect((await api.find('stays')).map(({ documentId }) => documentId)).toEqual([keep.id]);
});

test('what is past its time goes, with its content, and nothing else does', async () => {
  const { stack, api } = await open();
  const keep = await api.ingest('keep.txt', 'this stays');
  const gone = await api.ingest('gone.txt', 'this goes');
  const expiring = await api.ingest('expiring.txt', 'this goes too', { expires: '2020-01-01T00:00:00Z' });
  await api.call(`/v1/documents/${gone.id}`, { method: 'DELETE' });
  await stack.client.query(`UPDATE object SET created_at = now() - interval '2 hours'`);
  const swept = await sweep(stack.client, stack.storage, { deletedForMs: -1000 });
  expect(swept).toMatchObject({ expired: 1, documents: 2, objects: 2 });
  expect((await api.call(`/v1/documents/${gone.id}`)).status).toBe(404);
  expect((await api.call(`/v1/documents/${expiring.id}`)).status).toBe(404);
  expect(await stack.storage.has('default', Buffer.from(gone.latest.sha256, 'hex'))).toBe(false);
  expect(await stack.storage.has('default', Buffer.from(keep.latest.sha256, 'hex'))).toBe(true);
  expect(await stack.client.one('SELECT documents FROM tenant')).toEqual({ documents: 1 });
});

test('a document that a worker has in hands is purged when it has let go', async () => {
  const { embedder, begun, release } = gatedEmbedder();
  const { stack, api } = await open({ embedder });
  const { body } = await api.add('in work.txt', 'still in work');
  await expect.poll(begun).toBe(1);
  await api.call(`/v1/documents/${body.documents[0].documentId}`, { method: 'DELETE' });
  const purge = () => sweep(stack.client, stack.storage, { deletedForMs: -1000 });
  expect(await purge()).toMatchObject({ documents: 0 });
  release();
  await expect.poll(() => stack.client.query('SELECT state FROM job')).toEqual([{ state: 'cancelled' }]);
  expect(await purge()).toMatchObject({ documents: 1 });
  expect(stack.errors).toEqual([]);
});

test('content that comes again while it is purged is taken in', async () => {
  const { stack, api } = await open();
  const first = await api.ingest('first.txt', 'now and again');
  await api.call(`/v1/documents/${first.id}`, { method: 'DELETE' });
  await stack.client.query(`UPDATE object SET created_at = now() - interval '2 hours'`);
  const removing = Promise.withResolvers<void>();
  const arrived = Promise.withResolvers<void>();
  const { storage } = stack;
  const remove = storage.remove.bind(storage);
  vi.spyOn(storage, 'remove').mockImplementationOnce(async (...content) => {
    removing.resolve();
    await arrived.promise;
    await remove(...content);
  });
  const receive = storage.receive.bind(storage);
  vi.spyOn(storage, 'receive').mockImplementationOnce(async (...body) => {
    const incoming = await receive(...body);
    arrived.resolve();
    return incoming;
  });
  const purge = sweep(stack.client, storage, { deletedForMs: -1000 });
  await removing.promise;
  const { status, body } = await api.add('again.txt', 'now and again');
  expect(status).toBe(202);
  expect(await purge).toMatchObject({ documents: 1, objects: 1 });
  const [{ documentId, outcome }] = body.documents;
  expect(outcome).toBe('created');
  expect((await api.settled(documentId)).latest.status).toBe('ready');
  expect((await api.call(`/v1/documents/${documentId}/content`)).body).toBe('now and again');
  expect(stack.errors).toEqual([]);
});

test('content that was stored but never noted goes, unless a document comes to name it', async () => {
  const { stack, api } = await open();
  const kept = await api.ingest('kept.txt', 'noted as it should be');
  const store = async (text: string, tenant = 'default') => {
    const incoming = await stack.storage.receive(tenant, Readable.from([Buffer.from(text)]), 1000);
    await incoming.keep(); // and here the API was killed
    return incoming.hash;
  };
  const lost = await store('nobody knows of this');
  const named = await store('somebody sends this again');
  const foreign = await store('of no tenant', 'unknown');
  expect(await noteOrphans(stack.client, stack.storage, new Date(Date.now() - 60_000))).toBe(0);
  expect(await noteOrphans(stack.client, stack.storage, new Date(Date.now() + 60_000))).toBe(2);
  await api.ingest('again.txt', 'somebody sends this again');
  await stack.client.query(`UPDATE object SET created_at = now() - interval '2 hours'`);
  expect(await sweep(stack.client, stack.storage, { deletedForMs: 1e9 })).toMatchObject({ objects: 1 });
  const there = (hash: Buffer, tenant = 'default') => stack.storage.has(tenant, hash);
  expect(await there(lost)).toBe(false);
  expect(await there(named)).toBe(true);
  expect(await there(foreign, 'unknown')).toBe(true);
  expect(await there(Buffer.from(kept.latest.sha256, 'hex'))).toBe(true);
});

test('a resumable upload that goes on keeps its first bytes, however old they are', async () => {
  const { stack, api } = await open();
  const tus = { 'tus-resumable': '1.0.0', 'content-type': 'application/offset+octet-stream' };
  const { headers } = await api.call('/v1/uploads', {
    method: 'POST',
    headers: { ...tus, 'upload-length': '12' },
  });
  const send = (body: string, offset: number) =>
    api.call(headers.get('location') as string, {
      method: 'PATCH',
      body,
      headers: { ...tus, 'upload-offset': String(offset) },
    });
  expect(await send('half a ', 0)).toMatchObject({ status: 204 });
  await stack.client.query(`UPDATE upload SET updated_at = now() + interval '1 hour'`);
  await sweep(stack.client, stack.storage, { deletedForMs: 1e9, abandonedForMs: -60_000 });
  const end = await send('crab!', 7);
  expect(end).toMatchObject({ status: 204 });
  const document = await api.settled(end.headers.get('ingestion-document') as string);
  expect((await api.call(`/v1/documents/${document.id}/text`)).body.text).toBe('half a crab!');
});
