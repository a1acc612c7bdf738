import { fieldAt, type StoredDocument } from './document.ts';

/** BM25: how soon more of the same word stops to count, and how much a long text counts less. */
const SATURATION = 1.2;
const LENGTH_WEIGHT = 0.75;
/** A word of which the last one of a query is only the beginning counts half. */
const PREFIX_WEIGHT = 0.5;
/** A posting is one number: the place of the document, and how often it has the word. */
const COUNTS = 64;
/** New words wait unsorted for this many others. */
const MAX_UNSORTED = 512;
/** Places of removed documents are kept until they are this many, and more than those in use. */
const MIN_GARBAGE = 1024;
const ASCII = /^[\x20-\x7e\s]*$/;

/** A prefix stands for this many words at most, the shortest ones. */
const MAX_EXPANSIONS = 128;

/** Words, lower case, as Convex's tokenizer splits them: at everything that is no letter or digit. */
export function tokenize(text: string): string[] {
  const lower = text.toLowerCase();
  // Most text is plain ASCII, which needs no table of letters: several times as fast.
  const word = ASCII.test(lower) ? /[a-z0-9]+/g : /[\p{L}\p{N}]+/gu;
  return (lower.match(word) ?? []).filter(({ length }) => length <= 32);
}

/** The words of one text field of a table's documents, and where they are. */
export class TextIndex {
  readonly field: string;
  readonly #path: readonly string[];
  #documents: Array<StoredDocument | undefined> = [];
  #lengths: number[] = [];
  #places = new Map<string, number>();
  #postings = new Map<string, number[]>();
  #sorted: string[] = [];
  #unsorted: string[] = [];
  #totalLength = 0;
  /** Documents that were there before the index and are not in it yet. */
  #rest: Iterator<StoredDocument> | undefined;

  /** An index of documents that is filled by the first search, or by `fill` before. */
  constructor(field: string, documents?: Iterable<StoredDocument>) {
    this.field = field;
    this.#path = field.split('.');
    this.#rest = documents?.[Symbol.iterator]();
  }

  /** Takes in documents for some milliseconds. Returns whether all are in. */
  fill(budgetMs = Number.POSITIVE_INFINITY): boolean {
    const end = performance.now() + budgetMs;
    while (this.#rest !== undefined && performance.now() < end) {
      const next = this.#rest.next();
      if (next.done) this.#rest = undefined;
      // One that was written in the meantime is there already.
      else if (!this.#places.has(next.value._id)) this.add(next.value);
    }
    return this.#rest === undefined;
  }

  add(document: StoredDocument): void {
    const text = fieldAt(document, this.#path);
    if (typeof text !== 'string') return;
    const words = tokenize(text);
    const place = this.#documents.push(document) - 1;
    this.#lengths.push(words.length);
    this.#totalLength += words.length;
    this.#places.set(document._id, place);
    const counts = new Map<string, number>();
    for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
    for (const [word, count] of counts) {
      const posting = place * COUNTS + Math.min(count, COUNTS - 1);
      const known = this.#postings.get(word);
      if (known !== undefined) known.push(posting);
      else {
        this.#postings.set(word, [posting]);
        this.#unsorted.push(word);
      }
    }
  }

  remove(document: StoredDocument): void {
    const place = this.#places.get(document._id);
    if (place === undefined) return;
    this.#places.delete(document._id);
    this.#documents[place] = undefined;
    this.#totalLength -= this.#lengths[place]!;
    const garbage = this.#documents.length - this.#places.size;
    if (garbage > MIN_GARBAGE && garbage > this.#places.size) this.#rebuild();
  }

  #rebuild(): void {
    const documents = [...this.#places.values()].map((place) => this.#documents[place]!);
    this.#documents = [];
    this.#lengths = [];
    this.#places = new Map();
    this.#postings = new Map();
    this.#sorted = [];
    this.#unsorted = [];
    this.#totalLength = 0;
    for (const document of documents) this.add(document);
  }

  /** The known words that begin with a prefix, the prefix itself excepted. */
  #wordsFrom(prefix: string): string[] {
    if (this.#unsorted.length > MAX_UNSORTED) {
      this.#sorted = [...this.#sorted, ...this.#unsorted].sort();
      this.#unsorted = [];
    }
    const found = this.#unsorted.filter((word) => word.startsWith(prefix));
    let low = 0;
    let high = this.#sorted.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#sorted[middle]! < prefix) low = middle + 1;
      else high = middle;
    }
    for (; this.#sorted[low]?.startsWith(prefix); low++) found.push(this.#sorted[low]!);
    return found
      .filter((word) => word !== prefix)
      .sort((a, b) => a.length - b.length || (a < b ? -1 : 1))
      .slice(0, MAX_EXPANSIONS);
  }

  /** Adds up how often the documents have a word, by place. Returns the places that have it at all. */
  #count(word: string, asPrefix: boolean, frequencies: Float64Array): number[] {
    const places: number[] = [];
    const count = (postings: readonly number[] | undefined, weight: number) => {
      for (const posting of postings ?? []) {
        const place = Math.floor(posting / COUNTS);
        if (this.#documents[place] === undefined) continue;
        if (frequencies[place] === 0) places.push(place);
        frequencies[place]! += (posting % COUNTS) * weight;
      }
    };
    count(this.#postings.get(word), 1);
    if (asPrefix)
      for (const longer of this.#wordsFrom(word)) count(this.#postings.get(longer), PREFIX_WEIGHT);
    return places;
  }

  /** The documents with any of the words, best first; the newer one where two are worth the same. */
  search(
    words: readonly string[],
    limit: number,
    wanted: (document: StoredDocument) => boolean,
  ): StoredDocument[] {
    this.fill();
    const size = this.#places.size;
    const average = this.#totalLength / size;
    const scores = new Float64Array(this.#documents.length);
    const frequencies = new Float64Array(this.#documents.length);
    const matching: number[] = [];
    for (const [i, word] of words.entries()) {
      const places = this.#count(word, i === words.length - 1, frequencies);
      const rarity = Math.log(1 + (size - places.length + 0.5) / (places.length + 0.5));
      for (const place of places) {
        const frequency = frequencies[place]!;
        frequencies[place] = 0;
        const length = 1 - LENGTH_WEIGHT + LENGTH_WEIGHT * (this.#lengths[place]! / average);
        const worth = (frequency * (SATURATION + 1)) / (frequency + SATURATION * length);
        if (scores[place] === 0) matching.push(place);
        scores[place]! += rarity * worth;
      }
    }
    const found = matching.filter((place) => wanted(this.#documents[place]!));
    // Sorting numbers is cheap, sorting documents is not: only those that can be among the best are.
    const sorted = Float64Array.from(found, (place) => scores[place]!).sort();
    const least = sorted[Math.max(sorted.length - limit, 0)] ?? 0;
    return found
      .filter((place) => scores[place]! >= least)
      .sort((a, b) => scores[b]! - scores[a]! || this.#newerFirst(a, b))
      .slice(0, limit)
      .map((place) => this.#documents[place]!);
  }

  #newerFirst(a: number, b: number): number {
    return this.#documents[b]!._creationTime - this.#documents[a]!._creationTime;
  }
}
