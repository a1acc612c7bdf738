import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  type Node,
  type Pair,
  parseDocument,
  type YAMLMap,
} from 'yaml';
import { TemplateError } from './template-error.ts';

/**
 * A Compose file that gets additions. What is there keeps its text to the letter, comments and quotes included: the
 * parsed document only says where an addition belongs.
 */
export class ComposeEdit {
  #text: string;
  #document: Document.Parsed;
  readonly #file: string;

  /** @param file as errors name it */
  constructor(text: string, file: string) {
    this.#text = text.endsWith('\n') || text === '' ? text : `${text}\n`;
    this.#file = file;
    this.#document = this.#parse();
  }

  get text(): string {
    return this.#text;
  }

  has(path: readonly string[]): boolean {
    return this.#document.hasIn(path);
  }

  /** The value at a path as plain data. */
  value(path: readonly string[]): unknown {
    const node = this.#document.getIn(path, true) as Node | undefined;
    return node?.toJS(this.#document);
  }

  /**
   * Adds an entry at the end of the mapping at `path`, which is made where it is missing.
   *
   * @param yaml the value from column 0: a scalar on one line, or the lines of a block
   */
  add(path: readonly string[], key: string, yaml: string, { blankLine = false } = {}): void {
    const map = this.#mapping(path);
    if (map === undefined) {
      const [last, parent] = [path.at(-1)!, path.slice(0, -1)];
      const empty = this.#mapping(parent)?.items.find((pair) => keyOf(pair) === last);
      if (empty === undefined) this.add(parent, last, entry(key, yaml), { blankLine });
      else this.#insert(this.#lineEnd(empty.key.range![1]), this.#column(empty) + 2, entry(key, yaml));
      return;
    }
    if (map.items.some((pair) => keyOf(pair) === key)) return;
    if (map.flow) {
      if (yaml.includes('\n')) throw this.#cannot(path);
      const end = map.range![1] - 1;
      const before = this.#text.slice(0, end).trimEnd();
      const comma = /[{,]$/.test(before) ? '' : ',';
      this.#replace(before.length, end + 1, `${comma} ${key}: ${yaml} }`);
      return;
    }
    const text = `${blankLine ? '\n' : ''}${entry(key, yaml)}`;
    this.#insert(this.#lineEnd(lastOf(map)), this.#column(map.items[0]!), text);
  }

  /** Adds an item to the list at `path`, as `- item` or in the brackets. */
  append(path: readonly string[], item: string): void {
    const list = this.#document.getIn(path, true);
    if (!isSeq(list) || list.items.length === 0) throw this.#cannot(path);
    if (list.flow) {
      const end = list.range![1] - 1;
      const before = this.#text.slice(0, end).trimEnd();
      this.#replace(before.length, end, `${before.endsWith(',') ? '' : ','} ${item}`);
      return;
    }
    const first = list.items[0] as Node;
    const dash = this.#text.lastIndexOf('-', first.range![0]);
    const at = this.#lineEnd(lastOf(list));
    const indent = dash - this.#lineStart(dash);
    this.#insert(at, indent, `- ${item}\n`);
  }

  /** Removes an entry of a mapping, with the comment lines right above it. */
  remove(path: readonly string[], key: string): void {
    const map = this.#mapping(path);
    const pair = map?.items.find((item) => keyOf(item) === key);
    if (map === undefined || pair === undefined || map.flow) return;
    let start = this.#lineStart(pair.key.range![0]);
    for (;;) {
      const previous = this.#lineStart(start - 1);
      if (start === 0 || !/^\s*#/.test(this.#text.slice(previous, start))) break;
      start = previous;
    }
    const end = this.#lineEnd(pair.value === null ? pair.key.range![1] : lastOf(pair.value));
    // Of two blank lines around it one is enough, and of one at the end of the file none.
    const blankBefore = this.#text.slice(0, start).endsWith('\n\n');
    const blankAfter = end === this.#text.length || this.#text[end] === '\n';
    this.#replace(blankBefore && blankAfter ? start - 1 : start, end, '');
  }

  /** The block mapping at a path, through an alias the one that it means; undefined where there is nothing. */
  #mapping(path: readonly string[]): YAMLMap<Node, Node | null> | undefined {
    const found = path.length === 0 ? this.#document.contents : this.#document.getIn(path, true);
    const node = isAlias(found) ? found.resolve(this.#document) : found;
    if (node === undefined || node === null || (isScalar(node) && node.value === null)) return undefined;
    if (isMap(node)) return node as YAMLMap<Node, Node | null>;
    throw this.#cannot(path);
  }

  #parse(): Document.Parsed {
    const document = parseDocument(this.#text, { merge: true });
    const [error] = document.errors;
    if (error) throw this.#cannot([], error.message.split('\n')[0]);
    return document;
  }

  #insert(at: number, indent: number, lines: string): void {
    this.#replace(at, at, lines.replaceAll(/^(?=.)/gm, ' '.repeat(indent)));
  }

  #replace(start: number, end: number, text: string): void {
    this.#text = this.#text.slice(0, start) + text + this.#text.slice(end);
    this.#document = this.#parse();
  }

  #lineStart(offset: number): number {
    return this.#text.lastIndexOf('\n', offset - 1) + 1;
  }

  /** Behind the line break of the line that holds the last character before `offset`. */
  #lineEnd(offset: number): number {
    const end = this.#text.indexOf('\n', offset - 1);
    return end === -1 ? this.#text.length : end + 1;
  }

  #column(pair: Pair<Node, Node | null>): number {
    const start = pair.key.range![0];
    return start - this.#lineStart(start);
  }

  #cannot(path: readonly string[], why = 'is written in a form that cannot be added to'): TemplateError {
    const place = path.length === 0 ? this.#file : `${path.join('.')} of ${this.#file}`;
    return new TemplateError('TEMPLATE_COMPOSE_FORM', `${place} ${why}`, {
      hint: 'write it as a block, a line for each entry, then run this again',
    });
  }
}

function entry(key: string, yaml: string): string {
  if (!yaml.includes('\n')) return `${key}: ${yaml}\n`;
  return `${key}:\n${yaml.replaceAll(/^(?=.)/gm, '  ')}`;
}

function keyOf(pair: Pair<unknown, unknown>): unknown {
  return isScalar(pair.key) ? pair.key.value : pair.key;
}

/** Where the last character of a value is, without the comments that follow it. */
function lastOf(node: unknown): number {
  if (isMap(node) && !node.flow && node.items.length > 0) {
    const { key, value } = node.items.at(-1)!;
    return value === null || (isScalar(value) && value.source === '')
      ? (key as Node).range![1]
      : lastOf(value);
  }
  if (isSeq(node) && !node.flow && node.items.length > 0) return lastOf(node.items.at(-1));
  return (node as Node).range![1];
}
