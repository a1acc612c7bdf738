import { OneRosterError } from './fault.ts';

/**
 * RFC 4180 with the place of every record. Libraries give the record's number; a person who repairs a file needs
 * the line, which differs as soon as a quoted field spans lines, and all faults at once rather than the first.
 */

export interface CsvSink {
  /** One record. `fields` is only valid during the call. */
  record(fields: readonly string[], line: number): void;
  fault(line: number, message: string): void;
}

const QUOTE = 34;
const LF = 10;
const CR = 13;

/** Most characters of one record: a bomb, or a quote that is never closed, must not fill the memory. */
const MAX_RECORD = 1024 * 1024;

/** Feeds chunks of text to `sink`, record by record. Stray quotes are reported and then read as they stand. */
export class CsvReader {
  readonly #sink: CsvSink;
  readonly #name: string;
  #rest = '';
  #line = 1;
  #ended = false;
  #separator = ',';
  #begun = false;

  /**
   * `name` is the file's, for an error; `write` throws one for a record that is far too long. The header of a file
   * tells whether another separator is used instead of the comma.
   */
  constructor(sink: CsvSink, name = '') {
    this.#sink = sink;
    this.#name = name;
  }

  write(chunk: string): void {
    this.#rest = this.#rest === '' ? chunk : this.#rest + chunk;
    this.#consume();
    if (this.#rest.length <= MAX_RECORD) return;
    throw new OneRosterError(
      'ONEROSTER_TOO_LARGE',
      `${this.#name}:${this.#line}: the record that begins here has more than ${MAX_RECORD} characters`,
      'Look for a quote that is never closed, or a file that is not CSV.',
    );
  }

  end(): void {
    this.#ended = true;
    this.#consume();
  }

  #consume(): void {
    const text = this.#rest;
    let at = 0;
    if (!this.#begun && (this.#ended || text.includes('\n'))) this.#begin(text);
    while (at < text.length) {
      const lineEnd = text.indexOf('\n', at);
      const quote = text.indexOf('"', at);
      if (quote !== -1 && (lineEnd === -1 || quote < lineEnd)) {
        const next = this.#quotedRecord(text, at);
        if (next === -1) break;
        at = next;
        continue;
      }
      if (lineEnd === -1) {
        if (!this.#ended) break;
        this.#plainRecord(text.slice(at));
        at = text.length;
        break;
      }
      this.#plainRecord(text.slice(at, text.charCodeAt(lineEnd - 1) === CR ? lineEnd - 1 : lineEnd));
      at = lineEnd + 1;
    }
    this.#rest = text.slice(at);
  }

  #begin(text: string): void {
    this.#begun = true;
    const header = text.split('\n', 1)[0]!;
    const other = [';', '\t', '|'].find((separator) => header.includes(separator));
    if (this.#name === '' || header.includes(',') || !other) return;
    this.#separator = other;
    this.#sink.fault(1, `fields are separated by ${JSON.stringify(other)} instead of commas`);
  }

  #plainRecord(text: string): void {
    if (text !== '') this.#sink.record(text.split(this.#separator), this.#line);
    this.#line++;
  }

  /** Reads a record that holds a quote; returns where the next begins, or -1 when the chunk ends too early. */
  #quotedRecord(text: string, from: number): number {
    const fields: string[] = [];
    const faults: string[] = [];
    const separator = this.#separator.charCodeAt(0);
    let lines = 0;
    let at = from;
    for (;;) {
      let value: string;
      if (text.charCodeAt(at) === QUOTE) {
        value = '';
        let start = at + 1;
        for (;;) {
          const close = text.indexOf('"', start);
          if (close === -1) {
            if (!this.#ended) return -1;
            faults.push(`field ${fields.length + 1} opens a quote that is never closed`);
            value += text.slice(start);
            at = text.length;
            break;
          }
          if (close + 1 >= text.length && !this.#ended) return -1;
          value += text.slice(start, close);
          at = close + 1;
          if (text.charCodeAt(at) !== QUOTE) break;
          value += '"';
          start = at + 1;
        }
        for (let i = value.indexOf('\n'); i !== -1; i = value.indexOf('\n', i + 1)) lines++;
        const after = fieldEnd(text, at, separator);
        const tail = trimCr(text, at, after, separator);
        if (tail !== '') {
          faults.push(`field ${fields.length + 1} goes on after its closing quote`);
          value += tail;
        }
        at = after;
      } else {
        const after = fieldEnd(text, at, separator);
        value = trimCr(text, at, after, separator);
        if (value.includes('"')) faults.push(`field ${fields.length + 1} holds a quote but is not quoted`);
        at = after;
      }
      if (at >= text.length && !this.#ended) return -1;
      fields.push(value);
      if (text.charCodeAt(at) !== separator) break;
      at++;
    }
    for (const message of faults) this.#sink.fault(this.#line, message);
    this.#sink.record(fields, this.#line);
    this.#line += lines + 1;
    return at + 1;
  }
}

function fieldEnd(text: string, from: number, separator: number): number {
  for (let at = from; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === separator || code === LF) return at;
  }
  return text.length;
}

function trimCr(text: string, from: number, to: number, separator: number): string {
  return text.slice(
    from,
    to > from && text.charCodeAt(to - 1) === CR && text.charCodeAt(to) !== separator ? to - 1 : to,
  );
}

/** The items of a list field: separated by commas; an item that holds one is quoted. */
export function splitList(value: string): string[] {
  if (value === '') return [];
  if (!value.includes('"')) return value.split(',').map((item) => item.trim());
  let items: string[] = [];
  const reader = new CsvReader({
    record: (fields) => {
      items = [...items, ...fields];
    },
    fault: () => {},
  });
  reader.write(value);
  reader.end();
  return items.map((item) => item.trim());
}

/** A list field with these items. */
export function joinList(items: readonly string[]): string {
  return items.map((item) => (/[",\n]/.test(item) ? `"${item.replaceAll('"', '""')}"` : item)).join(',');
}

/** A CSV record with its line end, quoted only where it must be. */
export function csvLine(fields: readonly string[]): string {
  return `${fields.map((field) => (/[",\r\n]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field)).join(',')}\r\n`;
}
