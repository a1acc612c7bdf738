import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import S3rver from 's3rver';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ContentStore, openStorage } from './index.ts';

let folder: string;
let server: S3rver;
let endpoint: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'storage '));
  server = new S3rver({ port: 0, address: '127.0.0.1', silent: true, directory: join(folder, 's3') });
  const { port } = (await server.run()) as unknown as AddressInfo;
  endpoint = `http://127.0.0.1:${port}`;
});
afterAll(async () => {
  await server.close();
  await rm(folder, { recursive: true, force: true });
});

const urls = {
  file: () => pathToFileURL(join(folder, 'files with space')),
  // Any S3 service can be put to the same test: STORAGE_TEST_URL=s3://key:secret@bucket?endpoint=...
  s3: () =>
    new URL(process.env.STORAGE_TEST_URL ?? `s3://S3RVER:S3RVER@documents/some/prefix?endpoint=${endpoint}`),
};

async function* pieces(...parts: (string | Buffer | Error)[]) {
  for (const part of parts) {
    if (part instanceof Error) throw part;
    yield Buffer.from(part as string);
  }
}

async function text(body: AsyncIterable<Uint8Array>): Promise<string> {
  const parts: Uint8Array[] = [];
  for await (const part of body) parts.push(part);
  return Buffer.concat(parts).toString();
}

describe.each(['file', 's3'] as const)('content in %s storage', (kind) => {
  let store: ContentStore;
  beforeAll(async () => {
    store = await openStorage(urls[kind]());
  });
  afterAll(() => store[Symbol.asyncDispose]());

  async function keep(content: string, tenant = 'a') {
    const incoming = await store.receive(tenant, pieces(content), 1000);
    await incoming.keep();
    return incoming.hash;
  }

  test('is found under the SHA-256 of its bytes, whole or in ranges', async () => {
    const incoming = await store.receive('a', pieces('hel', 'lo wörld'), 1000);
    expect(incoming.hash).toEqual(createHash('sha256').update('hello wörld').digest());
    expect(incoming.bytes).toBe(12);
    expect(await store.has('a', incoming.hash)).toBe(false);
    await incoming.keep();
    expect(await store.has('a', incoming.hash)).toBe(true);
    expect(await text(await store.read('a', incoming.hash))).toBe('hello wörld');
    expect(await text(await store.read('a', incoming.hash, { start: 1, end: 4 }))).toBe('ell');
    expect(await text(await store.read('a', incoming.hash, { start: 6 }))).toBe('wörld');
  });

  test('may come twice, and is one', async () => {
    const hash = await keep('twice');
    expect(await keep('twice')).toEqual(hash);
    expect(await text(await store.read('a', hash))).toBe('twice');
  });

  test('may be empty', async () => {
    expect(await text(await store.read('a', await keep('')))).toBe('');
  });

  test('belongs to its tenant', async () => {
    const hash = await keep('mine', 'a');
    expect(await store.has('b', hash)).toBe(false);
    await expect(store.read('b', hash)).rejects.toMatchObject({
      code: 'STORAGE_NOT_FOUND',
      retryable: false,
    });
  });

  test('that is too large or breaks off leaves nothing', async () => {
    await expect(store.receive('c', pieces('12345', '67890'), 8)).rejects.toMatchObject({
      code: 'STORAGE_TOO_LARGE',
    });
    await expect(store.receive('c', pieces('12345', new Error('cut off')), 8)).rejects.toThrow('cut off');
    expect(await store.sweep(new Date(Date.now() + 60_000))).toBe(0);
  });

  test('larger than one part arrives unchanged', { timeout: 20_000 }, async () => {
    const part = Buffer.alloc(1024 * 1024, 'abcdefg');
    const hash = createHash('sha256');
    async function* body() {
      for (let index = 0; index < 20; index += 1) {
        hash.update(part);
        yield part;
      }
    }
    const incoming = await store.receive('a', body(), 1e9);
    await incoming.keep();
    const back = createHash('sha256');
    for await (const bytes of await store.read('a', incoming.hash)) back.update(bytes);
    expect(back.digest('hex')).toBe(hash.digest('hex'));
  });

  test('is gone after removal, which may come twice', async () => {
    const hash = await keep('gone');
    await store.remove('a', hash);
    await store.remove('a', hash);
    expect(await store.has('a', hash)).toBe(false);
  });

  test('of an upload in pieces is read in their order, and swept when it was abandoned', async () => {
    const piece = async (content: string, upload: string, number: number) =>
      (await store.receivePiece(pieces(content))).keep(upload, number);
    await piece('one ', 'u1', 0);
    await piece('never', 'u1', 1);
    await piece('two', 'u1', 1);
    expect(await text(store.readPieces('u1', 2))).toBe('one two');
    await piece('left', 'u2', 0);
    await store.removePieces('u1');
    await (await store.receive('a', pieces('left too'), 100)).hash;
    expect(await store.sweep(new Date(Date.now() - 60_000))).toBe(0);
    expect(await store.sweep(new Date(Date.now() + 60_000))).toBe(2);
  });

  test('storage that answers passes the check', () => store.check());
});

test('an S3 service that is away is named as such, and may be tried again', async () => {
  const closed = createServer().listen(0, '127.0.0.1');
  await once(closed, 'listening');
  const { port } = closed.address() as AddressInfo;
  closed.close();
  await using store = await openStorage(new URL(`s3://key:hidden@bucket?endpoint=http://127.0.0.1:${port}`));
  const failure = await store.check().catch((error: unknown) => error);
  expect(failure).toMatchObject({ code: 'STORAGE_UNAVAILABLE', retryable: true });
  expect(String(failure)).not.toContain('hidden');
  expect(store.description).not.toContain('hidden');
});

test('no name of a document is part of a file name', async () => {
  await using store = await openStorage(pathToFileURL(join(folder, 'names')));
  await (await store.receive('a', pieces('x'), 10)).keep();
  const names = await readdir(join(folder, 'names'), { recursive: true });
  expect(names.every((name) => /^[a-z0-9/-]+$/.test(name) || name === '.ingestion-storage')).toBe(true);
});

test('a folder that is away is no folder without the content, and nothing is written in its place', async () => {
  const place = join(folder, 'disk');
  await using store = await openStorage(pathToFileURL(place));
  const kept = await store.receive('a', pieces('kept'), 10);
  await kept.keep();
  await rename(place, `${place}.away`);
  await mkdir(place);
  const away = { code: 'STORAGE_UNAVAILABLE', retryable: true };
  await expect(store.check()).rejects.toMatchObject(away);
  await expect(store.read('a', kept.hash)).rejects.toMatchObject(away);
  await expect(store.has('a', kept.hash)).rejects.toMatchObject(away);
  await expect(store.receive('a', pieces('x'), 10)).rejects.toMatchObject(away);
  expect(await readdir(place)).toEqual([]);
  await rm(place, { recursive: true });
  await rename(`${place}.away`, place);
  expect(await text(await store.read('a', kept.hash))).toBe('kept');
});
