import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { compareValues } from 'convex/values';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { CommitLog, type CommitRecord, DamagedDataError } from './commit-log.ts';
import { encodeDocumentId, newDocumentId, tableNumberOf } from './document-id.ts';
import { encodeFrame, readFrames } from './frame.ts';
import { OrderedIndex } from './ordered-index.ts';
import { Store } from './store.ts';
import { compareParts, EVERYTHING, inRange, type KeyPart } from './value-order.ts';

describe('the order of values', () => {
  const values: KeyPart[] = [
    ...[
      undefined,
      null,
      -5n,
      3n,
      Number.NEGATIVE_INFINITY,
      -1.5,
      -0,
      0,
      2,
      Number.POSITIVE_INFINITY,
      Number.NaN,
    ],
    ...[
      false,
      true,
      '',
      'a',
      'ab',
      'b',
      '\uffff',
      '😀',
      new ArrayBuffer(1),
      [],
      [1],
      [1, 2],
      [2],
      {},
      { a: 1 },
      { b: 0 },
    ],
  ];

  test("is Convex's own", () => {
    for (const a of values) {
      for (const b of values) {
        expect(Math.sign(compareParts(a, b)), `${String(a)} and ${String(b)}`).toBe(
          Math.sign(compareValues(a, b)),
        );
      }
    }
  });

  test('a bound lies before or after all keys that start with it', () => {
    const range = { low: { prefix: ['a'], after: false }, high: { prefix: ['a', 2], after: false } };
    expect(inRange(['a', 1, 'x'], range)).toBe(true);
    expect(inRange(['a', 2, 'x'], range)).toBe(false);
    expect(inRange(['b'], range)).toBe(false);
  });
});

describe('an ordered index', () => {
  test('agrees with a sorted array through thousands of changes', () => {
    const index = new OrderedIndex<number>();
    const expected = new Set<number>();
    let seed = 1;
    const random = (limit: number) => {
      seed = (seed * 1103515245 + 12345) % 2147483648;
      return seed % limit;
    };
    for (let step = 0; step < 20_000; step++) {
      const key = random(3000);
      if (expected.has(key)) expect(index.delete([key])).toBe(true);
      else index.insert([key], key);
      if (!expected.delete(key)) expected.add(key);
    }
    const sorted = [...expected].sort((a, b) => a - b);
    expect(Array.from(index.entries(EVERYTHING), ([, value]) => value)).toEqual(sorted);
    expect(Array.from(index.entries(EVERYTHING, 'desc'), ([, value]) => value)).toEqual(sorted.toReversed());
    expect(index.size).toBe(sorted.length);
    expect(index.delete([-1])).toBe(false);
  });
});

describe('document ids', () => {
  test("have Convex's form", () => {
    const internal = new Uint8Array(16);
    let byte = 251;
    for (let i = 0; i < 16; i++) {
      internal[i] = byte;
      byte = (byte * 251) % 256;
    }
    expect(encodeDocumentId(1017, internal)).toBe('z43zp6c3e75gkmz1kfwj6mbbx5sw281h');
  });

  test('give their table back, and nothing where they were changed', () => {
    for (const number of [1, 127, 128, 10_001, 4_000_000_000])
      expect(tableNumberOf(newDocumentId(number))).toBe(number);
    const id = newDocumentId(10_001);
    expect(tableNumberOf(id.slice(0, -3) + (id.endsWith('000') ? '111' : '000'))).toBeNull();
    expect(tableNumberOf('sssswsgggggggggsgcsssfafffsffks')).toBeNull();
    expect(tableNumberOf('é'.repeat(32))).toBeNull();
  });
});

describe('the store', () => {
  test('undoes a transaction, or a part of it, in every index', () => {
    const store = new Store();
    const table = store.ensureTable('', 'rows');
    store.defineIndexes(table, [{ name: 'by_n', fields: ['n'] }]);
    const id = store.insert(table, { n: 1 }, 0);
    store.commit();
    const numbers = () =>
      Array.from(table.indexes.get('by_n')!.entries.entries(EVERYTHING), ([, row]) => row.n);
    store.put(table, { ...table.documents.get(id)!, n: 5 });
    const mark = store.savepoint();
    store.insert(table, { n: 3 }, 0);
    expect(numbers()).toEqual([3, 5]);
    store.rollbackTo(mark);
    expect(numbers()).toEqual([5]);
    store.rollback();
    expect(numbers()).toEqual([1]);
  });

  test('commits the net effect: what came and went again is not there', () => {
    const store = new Store();
    const table = store.ensureTable('', 'rows');
    const gone = store.insert(table, { n: 1 }, 0);
    store.remove(table, gone);
    const kept = store.insert(table, { n: 2 }, 0);
    expect(store.changes().writes.map(({ id }) => id)).toEqual([kept]);
  });

  test('forgets a table whose transaction was undone', () => {
    const store = new Store();
    store.insert(store.ensureTable('', 'short'), {}, 0);
    store.rollback();
    expect(store.table('', 'short')).toBeUndefined();
  });
});

describe('the log', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'convex-log-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const record = (ts: number): CommitRecord => ({ ts, writes: [[1, `id-${ts}`, { n: ts }]] });
  const read = () => {
    const log = new CommitLog(folder);
    const records: number[] = [];
    const damage = log.recover(({ ts }) => records.push(ts));
    return { log, records, damage };
  };

  test('gives back what was appended, also after it was folded into a snapshot', () => {
    const { log } = read();
    for (const ts of [1, 2, 3]) log.append(record(ts));
    log.fold([record(3)]);
    log.append(record(4));
    log.close();
    const { log: again, records, damage } = read();
    again.close();
    expect([records, damage]).toEqual([[3, 4], []]);
    expect(readdirSync(folder).sort()).toEqual(['log-0', 'log-1', 'snapshot-1']);
  });

  /** Three commits in log 0, the first snapshot of them, a fourth in log 1, the second snapshot, a fifth in log 2. */
  const foldTwice = () => {
    const { log } = read();
    for (const ts of [1, 2, 3]) log.append(record(ts));
    log.fold([record(3)]);
    log.append(record(4));
    log.fold([record(4)]);
    log.append(record(5));
    log.close();
  };
  const change = (name: string, edit: (bytes: Buffer) => Buffer) => {
    const file = path.join(folder, name);
    writeFileSync(file, edit(readFileSync(file)));
  };
  const spoil = (bytes: Buffer) => bytes.fill(7, bytes.length - 3);

  test('keeps the snapshot before and its log, and no older ones', () => {
    foldTwice();
    expect(readdirSync(folder).sort()).toEqual(['log-1', 'log-2', 'snapshot-1', 'snapshot-2']);
  });

  test.each([
    ['changed', spoil],
    ['cut', (bytes: Buffer) => bytes.subarray(0, -1)],
    ['empty', () => Buffer.alloc(0)],
  ])('makes a snapshot that is %s again from the one before, and says so', (_, edit) => {
    foldTwice();
    change('snapshot-2', edit);
    const first = read();
    first.log.append(record(6));
    first.log.close();
    expect(first.records).toEqual([3, 4, 5]);
    expect(first.damage).toMatchObject([{ file: path.join(folder, 'snapshot-2'), lostBytes: 0 }]);
    const second = read();
    second.log.fold([record(6)]);
    second.log.close();
    expect([second.records, second.damage]).toEqual([[3, 4, 5, 6], []]);
    const third = read();
    third.log.close();
    expect([third.records, third.damage]).toEqual([[6], []]);
  });

  test('the first snapshot is made again from the first log, and damage of the newest log is cut off it', () => {
    const { log } = read();
    for (const ts of [1, 2, 3]) log.append(record(ts));
    log.fold([record(3)]);
    for (const ts of [4, 5]) log.append(record(ts));
    log.close();
    rmSync(path.join(folder, 'snapshot-1'));
    change('log-1', spoil);
    const { log: again, records, damage } = read();
    again.close();
    expect(records).toEqual([1, 2, 3, 4]);
    expect(damage.map(({ file }) => path.basename(file))).toEqual(['log-1']);
  });

  test.each([['snapshot-1'], ['log-1']])(
    'with %s gone too, commits after it are not applied alone',
    (name) => {
      foldTwice();
      change('snapshot-2', spoil);
      change('log-2', spoil);
      change(name, spoil);
      if (name === 'snapshot-1') rmSync(path.join(folder, name));
      const before = readdirSync(folder).map((each) => [
        each,
        readFileSync(path.join(folder, each), 'latin1'),
      ]);
      expect(() => read()).toThrow(DamagedDataError);
      const after = readdirSync(folder).map((each) => [
        each,
        readFileSync(path.join(folder, each), 'latin1'),
      ]);
      expect(after).toEqual(before);
    },
  );

  test('a record that did not fit on the disk leaves no trace, and the ones after it are kept', () => {
    let free = Number.POSITIVE_INFINITY;
    const log = new CommitLog(folder, (file, bytes, at) => {
      if (free === 0) throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
      const length = Math.min(free, bytes.length - at);
      free -= length;
      return writeSync(file, bytes, at, length);
    });
    log.recover(() => {});
    log.append(record(1));
    free = 10;
    expect(() => log.append(record(2))).toThrow('no space left');
    free = Number.POSITIVE_INFINITY;
    log.append(record(3));
    free = 0;
    log.fold([record(3)]);
    free = Number.POSITIVE_INFINITY;
    log.append(record(4));
    log.close();
    const { log: again, records, damage } = read();
    again.close();
    expect([records, damage]).toEqual([[1, 3, 4], []]);
    expect(readdirSync(folder)).toEqual(['log-0']);
  });

  test('a record is read whole or not at all, wherever it was cut', () => {
    const bytes = Buffer.concat([encodeFrame({ n: 1 }), encodeFrame({ n: 2 })]);
    const first = encodeFrame({ n: 1 }).length;
    for (let length = 0; length < bytes.length; length++) {
      const { payloads, sound } = readFrames(bytes.subarray(0, length));
      const records = payloads.map((payload) => JSON.parse(payload.toString()));
      expect([sound, records]).toEqual(length < first ? [0, []] : [first, [{ n: 1 }]]);
    }
  });

  test('zeros at the end, as a power cut leaves them, are no records', () => {
    const bytes = encodeFrame({ n: 1 });
    expect(readFrames(Buffer.concat([bytes, Buffer.alloc(64)])).sound).toBe(bytes.length);
  });
});
