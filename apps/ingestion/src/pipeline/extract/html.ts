import { Parser } from 'htmlparser2';
import { PipelineError } from '../errors.ts';
import { cleanText } from '../text/clean.ts';
import type { Position } from '../types.ts';
import type { TextBuilder } from './builder.ts';

const skipped = new Set(
  'script style template noscript svg math iframe object canvas audio video select'.split(' '),
);
const blocks = new Set(
  'address article aside blockquote body details dialog dd div dl dt fieldset figcaption figure footer form header hgroup hr li main nav ol p section summary table ul tr pre'.split(
    ' ',
  ),
);
const paragraphs = new Set('p blockquote table ul ol pre section article h1 h2 h3 h4 h5 h6'.split(' '));
const headingLevel: Record<string, number> = { h1: 1, h2: 2, h3: 3, h4: 4, h5: 5, h6: 6 };
const metaNames = new Set(['description', 'author', 'keywords', 'date', 'generator']);

/** Browsers nest a few hundred elements; more than this is an attack, not a page. */
const maxDepth = 2000;
/** Longer ones are cut by their own rules; shorter ones stay with the text that explains them. */
const standsAlone = 1200;

/** The text that a reader of the page would see, section by section. Nothing is fetched, run or expanded. */
export function html(source: string, builder: TextBuilder, position: Position = {}): void {
  const walk = new HtmlWalk(builder, position);
  const parser = new Parser(walk.handler());
  feed(parser, source, builder);
  walk.finish();
}

/** The text content of XML, one line per element that has any. Entities that the document declares stay unexpanded. */
export function xml(source: string, builder: TextBuilder): void {
  const start = builder.length;
  let line = '';
  let depth = 0;
  const flush = () => {
    const text = line.trim().replace(/\s+/g, ' ');
    if (text !== '') builder.append(`${text}\n`);
    line = '';
  };
  const parser = new Parser(
    {
      onopentag: () => {
        flush();
        checkDepth(++depth);
      },
      onclosetag: () => {
        flush();
        depth--;
      },
      // Outside the outermost element stands only what is left of a declaration.
      ontext: (text) => {
        if (depth > 0) line += text;
      },
    },
    { xmlMode: true },
  );
  feed(parser, source, builder);
  flush();
  builder.segment(start, { kind: 'prose' });
}

function feed(parser: Parser, source: string, builder: TextBuilder): void {
  const step = 65_536;
  for (let at = 0; at < source.length; ) {
    let end = Math.min(source.length, at + step);
    // A pair of surrogates stays together.
    if (end < source.length && (source.charCodeAt(end - 1) & 0xfc00) === 0xd800) end++;
    parser.write(source.slice(at, end));
    builder.budget.time();
    at = end;
  }
  parser.end();
}

function checkDepth(depth: number): void {
  if (depth <= maxDepth) return;
  throw new PipelineError('INGEST_TOO_DEEP', `Elements are nested more than ${maxDepth} levels deep`, {
    hint: 'No page needs this; check what made the file.',
  });
}

class HtmlWalk {
  readonly #builder: TextBuilder;
  readonly #position: Position;
  readonly #headings: { level: number; text: string }[] = [];
  #skip = 0;
  #pre = 0;
  #preStart = 0;
  #depth = 0;
  #segmentStart: number;
  /** Newlines that must stand between what was written and what comes. */
  #breaks = 0;
  #space = false;
  /** The next text follows a divider of cells, which ends with a space. */
  #glued = false;
  #empty = true;
  #heading: { level: number; text: string } | undefined;
  #title: string | undefined;
  readonly #tables: {
    start: number;
    rows: number;
    columns: number;
    cells: number;
    headerEnd?: number;
    header: boolean;
  }[] = [];

  constructor(builder: TextBuilder, position: Position) {
    this.#builder = builder;
    this.#position = position;
    this.#segmentStart = builder.length;
  }

  handler() {
    return {
      onopentag: (name: string, attributes: Record<string, string>) => this.#open(name, attributes),
      onclosetag: (name: string) => this.#close(name),
      ontext: (text: string) => this.#text(text),
    };
  }

  finish(): void {
    this.#endSegment(this.#builder.length);
  }

  #open(name: string, attributes: Record<string, string>): void {
    checkDepth(++this.#depth);
    if (skipped.has(name)) this.#skip++;
    if (this.#skip > 0) return;
    if (name === 'title') this.#title ??= '';
    else if (name === 'html' && attributes.lang) this.#builder.metadata.language ??= attributes.lang;
    else if (name === 'meta') this.#meta(attributes);
    else if (name === 'br') this.#break(1);
    else if (name === 'img' && attributes.alt) this.#text(` ${attributes.alt} `);
    else if (name === 'td' || name === 'th') this.#cell(name === 'th');
    else if (name === 'tr') this.#row();
    else if (name in headingLevel) this.#openHeading(headingLevel[name]!);
    else if (blocks.has(name)) {
      this.#block(name);
      if (name === 'li') this.#text('- ');
      if (name === 'table' && this.#tables.length < 50)
        this.#tables.push({ start: -1, rows: 0, columns: 0, cells: 0, header: false });
      if (name === 'pre') {
        this.#pre++;
        this.#preStart = this.#builder.length + this.#breaks;
      }
    }
  }

  #close(name: string): void {
    this.#depth--;
    if (skipped.has(name)) this.#skip = Math.max(0, this.#skip - 1);
    if (this.#skip > 0) return;
    if (name === 'title' && this.#title !== undefined) this.#closeTitle();
    else if (name in headingLevel) this.#closeHeading();
    else if (name === 'tr') this.#closeRow();
    else if (name === 'table') this.#closeTable();
    else if (blocks.has(name)) {
      if (name === 'pre' && this.#pre > 0 && --this.#pre === 0) this.#alone(this.#preStart, { kind: 'code' });
      this.#block(name);
    }
  }

  #text(text: string): void {
    if (this.#skip > 0) return;
    if (this.#title !== undefined && this.#builder.title === undefined) {
      this.#title += text;
      return;
    }
    if (this.#pre > 0) {
      this.#flush();
      this.#write(text);
      return;
    }
    // A cell is one line; inside it a break of lines is a space.
    const words = text.replace(/[\t\n\f\r ]+/g, ' ');
    if (words === '') return;
    if (words === ' ') {
      this.#space = true;
      return;
    }
    const leading = words.startsWith(' ');
    const trailing = words.endsWith(' ');
    const bare = words.slice(leading ? 1 : 0, trailing ? -1 : undefined);
    if (leading) this.#space = true;
    this.#flush();
    this.#write(bare);
    this.#space = trailing;
  }

  #write(text: string): void {
    this.#builder.append(text);
    this.#empty = false;
    if (this.#heading && this.#heading.text.length < 400) this.#heading.text += `${text} `;
  }

  /** Writes the break or the space that is due before something visible. */
  #flush(): void {
    if (!this.#empty) {
      if (this.#breaks > 0) this.#builder.append('\n'.repeat(this.#breaks));
      else if (this.#space && !this.#glued) this.#builder.append(' ');
    }
    this.#glued = false;
    const table = this.#tables.at(-1);
    if (table && table.start < 0) table.start = this.#builder.length;
    this.#breaks = 0;
    this.#space = false;
  }

  #break(lines: number): void {
    if (this.#inCell()) this.#space = true;
    else this.#breaks = Math.max(this.#breaks, lines);
  }

  #block(name: string): void {
    this.#break(paragraphs.has(name) ? 2 : 1);
  }

  #inCell(): boolean {
    return (this.#tables.at(-1)?.cells ?? 0) > 0;
  }

  #row(): void {
    const table = this.#tables.at(-1);
    if (table) this.#closeRow();
    else this.#break(1);
  }

  #cell(isHeader: boolean): void {
    const table = this.#tables.at(-1);
    if (!table) {
      this.#break(1);
      return;
    }
    if (table.cells === 0 && isHeader && table.rows === 0) table.header = true;
    if (table.cells > 0) {
      this.#space = false;
      this.#flush();
      this.#write(' | ');
      this.#glued = true;
    }
    table.cells++;
  }

  #closeRow(): void {
    const table = this.#tables.at(-1);
    if (!table || table.cells === 0) return;
    table.columns = Math.max(table.columns, table.cells);
    table.cells = 0;
    if (++table.rows === 1 && table.header) table.headerEnd = this.#builder.length;
    this.#space = false;
    this.#break(1);
  }

  #closeTable(): void {
    this.#closeRow();
    const table = this.#tables.pop();
    if (table && table.start >= 0 && this.#tables.length === 0 && table.rows > 1 && table.columns > 1) {
      const { headerEnd } = table;
      this.#alone(
        table.start,
        headerEnd === undefined ? { kind: 'table' } : { kind: 'table', headerEnd: headerEnd + 1 },
      );
    }
    this.#break(2);
  }

  #openHeading(level: number): void {
    this.#break(2);
    if (this.#inCell()) return;
    this.#flush();
    this.#endSegment(this.#builder.length);
    this.#heading = { level, text: '' };
  }

  #closeHeading(): void {
    const heading = this.#heading;
    this.#heading = undefined;
    this.#break(2);
    if (!heading) return;
    const text = cleanText(heading.text).trim().slice(0, 200).toWellFormed();
    while (this.#headings.length > 0 && this.#headings.at(-1)!.level >= heading.level) this.#headings.pop();
    if (text !== '') this.#headings.push({ level: heading.level, text });
  }

  #closeTitle(): void {
    const title = this.#title!.replace(/\s+/g, ' ').trim();
    if (title !== '') this.#builder.title ??= title.slice(0, 500);
    this.#title = undefined;
  }

  #meta(attributes: Record<string, string>): void {
    const name = (attributes.name ?? attributes.property ?? '').toLowerCase();
    if (metaNames.has(name) && attributes.content) this.#builder.metadata[name] ??= attributes.content;
  }

  #here(): Position {
    if (this.#headings.length === 0) return this.#position;
    const headings = [...(this.#position.headings ?? []), ...this.#headings.map((heading) => heading.text)];
    return { ...this.#position, headings };
  }

  #endSegment(end: number): void {
    this.#builder.add({ kind: 'prose', ...this.#here(), start: this.#segmentStart, end });
    this.#segmentStart = Math.max(this.#segmentStart, end);
  }

  /** Makes what began at `start` a segment of its own when it is long. */
  #alone(start: number, info: { kind: 'code' } | { kind: 'table'; headerEnd?: number }): void {
    const end = this.#builder.length;
    if (end - start < standsAlone || start < this.#segmentStart) return;
    this.#endSegment(start);
    this.#builder.add({ ...info, ...this.#here(), start, end });
    this.#segmentStart = end;
  }
}
