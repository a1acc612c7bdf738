import { randomBytes } from 'node:crypto';
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ArchiveReader } from './archive-reader.ts';
import { ArchiveWriter } from './archive-writer.ts';
import { copyFolder } from './folder-copy.ts';
import type { Manifest } from './manifest.ts';
import { chunkSize, Pump } from './pump.ts';

const { signal } = new AbortController();

let root: string;

beforeEach(() => {
  root = mkdtempSync(path.join(tmpdir(), 'stackyard-archive-'));
  for (const folder of ['from', 'copy', 'to']) mkdirSync(path.join(root, folder));
});

afterEach(() => rmSync(root, { recursive: true, force: true }));

const inside = (...names: string[]) => path.join(root, ...names);

/** A backup of `from`, which goes to `copy` as well. */
async function pack(): Promise<string> {
  const file = inside('x.tar');
  await using archive = await ArchiveWriter.create(file);
  const options = { archive, prefix: '0', index: 0, folder: inside('from'), copy: inside('copy'), signal };
  const copied = await copyFolder(options);
  archive.flush();
  const manifest: Manifest = {
    ...{ format: 1, variant: 'shop', driver: 'embedded', createdAt: '', platform: '' },
    services: [{ service: 'db', as: '', method: 'stopped', folders: ['data'], ...copied }],
  };
  await archive.finish(manifest);
  return file;
}

async function unpack(file: string): Promise<void> {
  await using archive = await ArchiveReader.open(file);
  await archive.extract(archive.manifest.services[0]!, [inside('to')], signal);
}

test('files of every size come back as they were, and go to the copy in the same pass', async () => {
  const sizes = [0, 1, 64 * 1024, 64 * 1024 + 1, chunkSize, 3 * chunkSize + 7];
  const contents = sizes.map((size) => randomBytes(size));
  for (const [index, content] of contents.entries()) writeFileSync(inside('from', `${index}`), content);
  await unpack(await pack());
  for (const [index, content] of contents.entries()) {
    for (const folder of ['copy', 'to'])
      expect(content.equals(readFileSync(inside(folder, `${index}`)))).toBe(true);
  }
});

test('a checksum that differs is told, of a small file and of a large one', async () => {
  for (const size of [100, 2 * chunkSize]) {
    writeFileSync(inside('from', 'file'), Buffer.alloc(size, 'precious'));
    const file = await pack();
    const bytes = readFileSync(file);
    bytes.write('x', bytes.lastIndexOf('precious', bytes.lastIndexOf('manifest.json')));
    writeFileSync(file, bytes);
    await expect(unpack(file)).rejects.toMatchObject({ code: 'STACKYARD_BACKUP_DAMAGED' });
    for (const folder of ['copy', 'to']) rmSync(inside(folder, 'file'));
  }
});

test('what is no file is told so', async () => {
  const refused = { code: 'STACKYARD_BACKUP_UNREADABLE', message: expect.stringContaining('it is no file') };
  await expect(ArchiveReader.open(root)).rejects.toMatchObject(refused);
});

test('what becomes shorter while it moves is filled up with zeros', async () => {
  const size = 3 * chunkSize;
  const pump = new Pump();
  const file = inside('from', 'file');
  writeFileSync(file, randomBytes(size));
  await using archive = await ArchiveWriter.create(inside('x.tar'));
  const source = openSync(file, 'r');
  const stat = statSync(file);
  truncateSync(file, 10);
  const kept = readFileSync(file);
  const { sha256 } = await archive.addFile('file', source, stat);
  closeSync(source);
  const expected = Buffer.concat([kept, Buffer.alloc(size - kept.length)]);
  const hash = await pump.move({
    size,
    read: async (buffer, at) => buffer.fill(expected.subarray(at, at + buffer.length)),
    write: async () => {},
  });
  expect(sha256).toBe(hash);
});

test('a write that fails ends the move, after the read that is under way', async () => {
  const pump = new Pump();
  let reading = 0;
  const move = pump.move({
    size: 5 * chunkSize,
    read: async (buffer) => {
      reading += 1;
      await new Promise((resolve) => setImmediate(resolve));
      reading -= 1;
      return buffer;
    },
    write: async (_, at) => {
      if (at > 0) throw new Error('no space left');
    },
  });
  await expect(move).rejects.toThrow('no space left');
  expect(reading).toBe(0);
});
