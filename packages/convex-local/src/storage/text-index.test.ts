import { expect, test } from 'vitest';
import type { StoredDocument } from './document.ts';
import { Store } from './store.ts';
import { TextIndex, tokenize } from './text-index.ts';

let created = 0;
const note = (id: string, text: unknown): StoredDocument => ({ _id: id, _creationTime: created++, text });

function indexOf(...notes: StoredDocument[]): TextIndex {
  const index = new TextIndex('text');
  for (const one of notes) index.add(one);
  return index;
}

const find = (index: TextIndex, query: string, limit = 10) =>
  index.search(tokenize(query), limit, () => true).map(({ _id }) => _id);

test('words are split at everything that is no letter or digit, in any script', () => {
  expect(tokenize('Al-Pastor, 2 tacos!')).toEqual(['al', 'pastor', '2', 'tacos']);
  expect(tokenize('Taquería ÉTÉ 東京')).toEqual(['taquería', 'été', '東京']);
  expect(tokenize(`${'x'.repeat(33)} short`)).toEqual(['short']);
});

test('rare words count more than frequent ones, short texts more than long ones', () => {
  const index = indexOf(
    note('frequent', 'fish soup'),
    note('frequent too', 'fish pie'),
    note('rare', 'saffron pie'),
    note('long', `fish ${'filler '.repeat(50)}`),
  );
  expect(find(index, 'fish saffron')).toEqual(['rare', 'frequent too', 'frequent', 'long']);
});

test('the last word of a query may be the beginning of one; the whole word counts more', () => {
  const index = indexOf(note('start', 'one fishing'), note('whole', 'one fish'), note('none', 'one bird'));
  expect(find(index, 'fish')).toEqual(['whole', 'start']);
  expect(find(index, 'fish bird')).toEqual(['none', 'whole']);
});

test('documents that are worth the same come newest first, and no more than were asked for', () => {
  const index = indexOf(...Array.from({ length: 50 }, (_, i) => note(`n${i}`, 'same words')));
  expect(find(index, 'same', 3)).toEqual(['n49', 'n48', 'n47']);
});

test('a document without text in the field is not there', () => {
  expect(find(indexOf(note('number', 7), note('none', undefined)), 'seven')).toEqual([]);
});

test('what is changed, removed or taken back is found as it is, also after thousands of changes', () => {
  const store = new Store();
  const table = store.ensureTable('', 'notes');
  store.defineTextIndexes(table, new Map([['words', 'text']]));
  const index = () => table.textIndexes.get('words')!;
  const id = store.insert(table, { text: 'first' }, 0);
  store.commit();
  for (let round = 0; round < 3000; round++) {
    store.put(table, { ...table.documents.get(id)!, text: `round ${round}` });
    if (round % 2 === 0) store.rollback();
    else store.commit();
  }
  expect(find(index(), 'round 2999')).toEqual([id]);
  expect(find(index(), '2998')).toEqual([]);
  expect(find(index(), 'first')).toEqual([]);
  store.remove(table, id);
  expect(find(index(), 'round')).toEqual([]);
  store.rollback();
  expect(find(index(), 'round')).toEqual([id]);
});

test('an index that is filled bit by bit takes in what changes meanwhile', () => {
  const store = new Store();
  const table = store.ensureTable('', 'notes');
  const ids = Array.from({ length: 5 }, (_, n) => store.insert(table, { text: `note ${n}` }, 0));
  store.commit();
  store.defineTextIndexes(table, new Map([['words', 'text']]));
  const index = table.textIndexes.get('words')!;
  expect(index.fill(0)).toBe(false);
  store.put(table, { ...table.documents.get(ids[0]!)!, text: 'changed' });
  store.remove(table, ids[1]!);
  const added = store.insert(table, { text: 'note new' }, 0);
  store.commit();
  expect(find(index, 'note')).toEqual([added, ids[4], ids[3], ids[2]]);
  expect(find(index, 'changed')).toEqual([ids[0]]);
  expect(index.fill(0)).toBe(true);
});

test('an index of another field replaces the old one', () => {
  const store = new Store();
  const table = store.ensureTable('', 'notes');
  store.insert(table, { title: 'head', text: 'body' }, 0);
  store.defineTextIndexes(table, new Map([['words', 'text']]));
  expect(find(table.textIndexes.get('words')!, 'body')).toHaveLength(1);
  store.defineTextIndexes(table, new Map([['words', 'title']]));
  expect(find(table.textIndexes.get('words')!, 'body')).toEqual([]);
  expect(find(table.textIndexes.get('words')!, 'head')).toHaveLength(1);
  store.defineTextIndexes(table, new Map());
  expect(table.textIndexes.size).toBe(0);
});
