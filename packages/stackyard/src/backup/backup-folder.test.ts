import { createHash, randomBytes } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { BackupFolder, describeFolder } from './backup-folder.ts';
import { copyFolder } from './folder-copy.ts';
import { HashThread } from './hash-thread.ts';
import type { Manifest } from './manifest.ts';
import { fileOf, openBackup, verifyContent } from './open-backup.ts';
import { moveFolder } from './places.ts';
import { privateName } from './private-folder.ts';

const { signal } = new AbortController();

let root: string;

beforeEach(() => {
  root = mkdtempSync(path.join(tmpdir(), 'stackyard-backup-'));
  mkdirSync(inside('from'));
});

afterEach(() => rmSync(root, { recursive: true, force: true }));

const inside = (...names: string[]) => path.join(root, ...names);

/** A backup of `from`; between copy and manifest, somebody may work on the copy. */
async function make(change: (copy: string) => void = () => {}): Promise<string> {
  await using hashing = new HashThread(signal);
  await using backup = await BackupFolder.create(inside('saved'));
  const to = path.join(await backup.service(0, 'db'), '0');
  const { hashes } = await copyFolder({ from: inside('from'), to, hashing, signal });
  const until = Date.now();
  change(to);
  const described = await describeFolder(to, 0, { hashes: await hashes, until }, hashing);
  const manifest: Manifest = {
    ...{ format: 1, variant: 'shop', driver: 'embedded', createdAt: '', platform: '' },
    services: [{ service: 'db', as: '', method: 'stopped', folders: ['data'], ...described }],
  };
  return await backup.finish(inside('saved'), manifest); // before it is disposed of
}

async function verify(name: string): Promise<void> {
  await using hashing = new HashThread(signal);
  await verifyContent(await openBackup(name), hashing);
}

test('files of every size are copied with their modes, hashed on the way, and only their owner may enter', async () => {
  const piece = 256 * 1024;
  const contents = [0, 1, piece, piece + 1, 3 * piece + 7, 40 * 1024 ** 2].map((size) => randomBytes(size));
  for (const [index, content] of contents.entries()) writeFileSync(inside('from', `${index}`), content);
  mkdirSync(inside('from', 'empty'));
  chmodSync(inside('from', '1'), 0o640);
  const folder = await make();
  expect(statSync(folder).mode & 0o777).toBe(0o700);
  await verify(`${folder}/`);
  await verify(path.join(folder, 'manifest.json'));
  const backup = await openBackup(folder);
  const [{ files, directories }] = backup.manifest.services as [Manifest['services'][0]];
  expect(directories.map((entry) => entry.path)).toEqual(['', 'empty']);
  for (const file of files) {
    expect(contents[Number(file.path)]!.equals(readFileSync(fileOf(backup, 'db', file)))).toBe(true);
    expect(file.mode).toBe(file.path === '1' ? 0o640 : statSync(inside('from', file.path)).mode & 0o777);
  }
});

test('the manifest has what a check of the copy has left: changed, new and without what it removed', async () => {
  for (const name of ['same', 'changed', 'removed']) writeFileSync(inside('from', name), name);
  const folder = await make((copy) => {
    writeFileSync(path.join(copy, 'changed'), 'CHANGED'); // of the same size
    writeFileSync(path.join(copy, 'new'), 'new');
    unlinkSync(path.join(copy, 'removed'));
  });
  await verify(folder);
  const { manifest } = await openBackup(folder);
  expect(manifest.services[0]!.files.map((file) => file.path)).toEqual(['changed', 'new', 'same']);
});

test('a file counts as hashed until it is written to, also when that happens in the same tick of the clock', async () => {
  const file = inside('from', 'file');
  writeFileSync(file, 'precious');
  const record = async (until: number) => {
    await using hashing = new HashThread(signal);
    const hashes = new Map([['file', { sha256: 'known', stat: before }]]);
    return (await describeFolder(inside('from'), 0, { hashes, until }, hashing)).files[0]!.sha256;
  };
  const hour = new Date('2026-01-01T12:00:00Z');
  utimesSync(file, hour, hour);
  const before = statSync(file);
  expect(await record(hour.getTime() + 1000)).toBe('known');
  expect(await record(hour.getTime() + 10)).toMatch(/^[0-9a-f]{64}$/);
  utimesSync(file, hour, new Date(hour.getTime() + 1));
  expect(await record(hour.getTime() + 1000)).toMatch(/^[0-9a-f]{64}$/);
});

test.each<[string, string, (folder: string) => void]>([
  [
    'a byte that differs',
    'checksum of precious',
    (data) => writeFileSync(path.join(data, 'precious'), 'PRECIOUS'),
  ],
  ['a file that is shorter', 'has 1 bytes, not 8', (data) => writeFileSync(path.join(data, 'precious'), 'p')],
  ['a file that is missing', 'is missing', (data) => unlinkSync(path.join(data, 'precious'))],
  ['a file too many', 'not in its manifest', (data) => writeFileSync(path.join(data, 'more'), '')],
  [
    'a link that was planted',
    'not in its manifest',
    (data) => symlinkSync('/etc/passwd', path.join(data, 'more')),
  ],
  [
    'a link in the place of a file',
    'is not a file',
    (data) => {
      unlinkSync(path.join(data, 'precious'));
      symlinkSync('/etc/passwd', path.join(data, 'precious'));
    },
  ],
  [
    'a link in the place of a folder',
    'not in its manifest',
    (data) => {
      rmSync(data, { recursive: true });
      symlinkSync(inside('from'), data);
    },
  ],
  [
    'a manifest that was cut',
    'checksum of its manifest',
    (data) => {
      const manifest = path.join(data, '../../manifest.json');
      writeFileSync(manifest, readFileSync(manifest).subarray(0, -20));
    },
  ],
  [
    'a manifest without its checksum',
    'no manifest.json.sha256',
    (data) => unlinkSync(path.join(data, '../../manifest.json.sha256')),
  ],
  [
    'a folder without a manifest',
    'no manifest.json',
    (data) => unlinkSync(path.join(data, '../../manifest.json')),
  ],
])('%s is told', async (_, message, damage) => {
  writeFileSync(inside('from', 'precious'), 'precious');
  const folder = await make();
  damage(path.join(folder, '0-db', '0'));
  const refused = { code: 'STACKYARD_BACKUP_DAMAGED', message: expect.stringContaining(message) };
  await expect(verify(folder)).rejects.toMatchObject(refused);
});

test.each<[string, (service: { files: object[]; directories: object[] }) => void]>([
  ['precious is in its manifest twice', ({ files }) => files.push({ ...files[0], path: './precious' })],
  [
    'precious is a file and a folder in its manifest',
    ({ directories }) => directories.push({ folder: 0, path: 'precious', mode: 0o755 }),
  ],
])('a manifest with the right checksum that says nonsense is told: %s', async (message, change) => {
  writeFileSync(inside('from', 'precious'), 'precious');
  const manifest = path.join(await make(), 'manifest.json');
  const changed = JSON.parse(readFileSync(manifest, 'utf8'));
  change(changed.services[0]);
  const text = JSON.stringify(changed);
  writeFileSync(manifest, text);
  writeFileSync(`${manifest}.sha256`, createHash('sha256').update(text).digest('hex'));
  const refused = { code: 'STACKYARD_BACKUP_DAMAGED', message: expect.stringContaining(message) };
  await expect(openBackup(manifest)).rejects.toMatchObject(refused);
});

test('what is no folder, or not there, is told so', async () => {
  writeFileSync(inside('old.tar'), '');
  for (const name of ['old.tar', 'nothing'])
    await expect(openBackup(inside(name))).rejects.toMatchObject({ code: 'STACKYARD_BACKUP_UNREADABLE' });
});

test('a backup takes the next free name, and removes what killed ones have left, but nothing that is being made', async () => {
  const killed = inside(`.saved.backup-${process.pid}-1`); // an earlier process with this id
  mkdirSync(killed);
  const alive = privateName(inside('other'), 'backup');
  mkdirSync(alive);
  mkdirSync(inside('.someone.backup-of-theirs'));
  const names = [await make(), await make(), await make()];
  expect(names.map((name) => path.basename(name))).toEqual(['saved', 'saved-2', 'saved-3']);
  const left = ['.someone.backup-of-theirs', path.basename(alive), 'from', 'saved', 'saved-2', 'saved-3'];
  expect(readdirSync(root).sort()).toEqual(left.sort());
});

test('a symbolic link among the data is refused, and nothing is left of the backup', async () => {
  symlinkSync('/etc', inside('from', 'link'));
  await expect(make()).rejects.toMatchObject({ code: 'STACKYARD_BACKUP_LINK' });
  expect(readdirSync(root)).toEqual(['from']);
});

test('a folder moves to another disk with modes and times', async () => {
  writeFileSync(inside('from', 'file'), 'precious', { mode: 0o600 });
  const before = statSync(inside('from', 'file'));
  const disk = mkdtempSync(path.join(existsSync('/dev/shm') ? '/dev/shm' : root, 'stackyard-backup-'));
  try {
    await moveFolder(inside('from'), path.join(disk, 'to'));
    expect(existsSync(inside('from'))).toBe(false);
    const { mode, mtimeMs } = statSync(path.join(disk, 'to', 'file'));
    expect(mode).toBe(before.mode);
    expect(Math.abs(mtimeMs - before.mtimeMs)).toBeLessThan(1);
  } finally {
    rmSync(disk, { recursive: true });
  }
});

test('a thread that is ended ends what waits for it', async () => {
  const interrupt = new AbortController();
  await using hashing = new HashThread(interrupt.signal);
  const waiting = hashing.hash(['/dev/zero']);
  interrupt.abort(new Error('interrupted'));
  await expect(waiting).rejects.toThrow('interrupted');
  await expect(hashing.hash([])).rejects.toThrow('interrupted');
});
