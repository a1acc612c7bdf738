import { CsvReader } from './csv.ts';
import type { FaultCode, FaultLog } from './fault.ts';
import { type Layout, readHeader } from './header.ts';
import type { Mode } from './manifest.ts';
import type { PackageFile } from './package.ts';
import type { Column, FileName, FileSpec, Version } from './spec.ts';
import { textOf } from './text.ts';
import { isFlaw, type Parse, parseMoment, parserOf, type Value } from './values.ts';

/** A record that passed: what is staged for its table. Text of references is a sourcedId. */
export interface Staged {
  readonly line: number;
  readonly sourcedId: string;
  /** In the order of `FileReader.stagedColumns`. */
  readonly values: readonly Value[];
}

/** One item of a list of references, or one secret, of the record `owner`. */
export interface Attached {
  readonly owner: string;
  readonly value: string;
  readonly position: number;
}

/** What a 1.1 user says about roles. */
export interface UserRole {
  readonly user: string;
  readonly role: string | null;
  readonly organisations: readonly string[];
  readonly status: string;
}

export interface ReadContext {
  readonly version: Version;
  readonly lenient: boolean;
  readonly log: FaultLog;
  /** sourcedIds that may be referred to, by file; the reader adds those of its own file. */
  readonly known: Map<FileName, Set<string>>;
}

const CHUNK_ROWS = 500;

/** Reads one data file: checks it against its specification and turns its records into rows to stage. */
export class FileReader {
  readonly spec: FileSpec;
  readonly attached = new Map<Column, Attached[]>();
  readonly userRoles: UserRole[] = [];
  rows = 0;
  skipped = 0;
  readonly #mode: Mode;
  readonly #context: ReadContext;
  readonly #file: PackageFile;
  readonly #seen = new Map<string, number>();
  readonly #accepted: Set<string>;
  readonly #parsers: readonly Parse[];
  readonly #late: { line: number; column: Column; owner: string; target: string }[] = [];
  /** Records whose parent, or its parent and so on, is the record itself: their parent is left out. */
  readonly circular: string[] = [];
  #current = '';
  #layout: Layout | undefined;
  #out: Staged[] = [];

  constructor(file: PackageFile, spec: FileSpec, mode: Mode, context: ReadContext) {
    this.#file = file;
    this.spec = spec;
    this.#mode = mode;
    this.#context = context;
    this.#accepted = context.known.get(spec.name) ?? new Set();
    context.known.set(spec.name, this.#accepted);
    this.#parsers = spec.columns.map((column) => parserOf(column.type, context.version));
    for (const column of spec.columns) {
      if (column.type.kind === 'refs' || column.type.kind === 'secret') this.attached.set(column, []);
    }
  }

  /** Columns of the staging table, after sourced_id, record_status, source_modified_at and metadata. */
  static stagedColumns(spec: FileSpec): readonly Column[] {
    return spec.columns.filter((column) => column.column !== '');
  }

  async *records(): AsyncGenerator<Staged> {
    const reader = new CsvReader(
      {
        record: (fields, line) => this.#record(fields, line),
        fault: (line, message) => this.#fault(line, '', 'CSV_SYNTAX', message),
      },
      this.#file.name,
    );
    const { lenient } = this.#context;
    const fault = (code: FaultCode, message: string) => this.#fault(1, '', code, message);
    for await (const text of textOf(await this.#file.open(), { lenient, fault })) {
      reader.write(text);
      if (this.#out.length >= CHUNK_ROWS) {
        yield* this.#out;
        this.#out = [];
      }
    }
    reader.end();
    yield* this.#out;
    this.#out = [];
    if (!this.#layout) this.#fault(1, '', 'FILE_EMPTY', 'the file has no header');
    this.#checkOwnReferences();
  }

  #fault(line: number, column: string, code: FaultCode, message: string): void {
    this.#context.log.add(this.#file.name, line, column, code, message);
  }

  #record(fields: readonly string[], line: number): void {
    if (!this.#layout) {
      this.#layout = readHeader(fields, this.spec, this.#context.lenient, (column, code, message) =>
        this.#fault(line, column, code, message),
      );
      return;
    }
    this.rows++;
    const staged = this.#stage(fields, line, this.#layout);
    if (staged) this.#out.push(staged);
    else this.skipped++;
  }

  #stage(fields: readonly string[], line: number, layout: Layout): Staged | undefined {
    const { lenient } = this.#context;
    if (fields.length !== layout.width) {
      this.#fault(
        line,
        '',
        'FIELD_COUNT',
        `the record has ${fields.length} fields, the header ${layout.width}`,
      );
      if (fields.length === 1 && fields[0]!.trim() === '') return undefined;
    }
    let usable = true;
    for (const field of fields) {
      if (field.includes('\0') || field.includes('\uFFFD')) {
        const at = fields.indexOf(field);
        this.#fault(line, layout.names[at] ?? '', 'ENCODING', 'the field is not UTF-8 text');
      }
    }
    const field = (index: number): string => {
      const text = index === -1 ? '' : (fields[index] ?? '');
      // The database takes no NUL; it was listed above, so that a strict import is lost by now.
      const kept = text.replaceAll('\0', '');
      if (!lenient || kept === kept.trim()) return kept;
      this.#fault(line, layout.names[index] ?? '', 'VALUE_FORMAT', 'spaces stand around the value');
      return kept.trim();
    };

    const sourcedId = field(layout.leading[0]);
    this.#current = sourcedId;
    // A strict import is lost by now; what stands in shifted fields would only be listed as faults of their own.
    if (fields.length !== layout.width && !lenient) {
      if (sourcedId !== '') this.#accepted.add(sourcedId);
      return undefined;
    }
    if (!this.#identify(sourcedId, line)) usable = false;
    const status = this.#status(field(layout.leading[1]), line);
    const modified = this.#modified(field(layout.leading[2]), line);

    const attached: [Column, string[]][] = [];
    const values: Value[] = [sourcedId, status, modified, this.#metadata(fields, layout)];
    let organisations: readonly string[] = [];
    let role: string | null = null;
    const { columns } = this.spec;
    for (let i = 0; i < columns.length; i++) {
      const column = columns[i]!;
      const at = layout.indexes[i]!;
      const value = this.#value(column, this.#parsers[i]!, at === -1 ? undefined : field(at), line);
      if (value === undefined) {
        usable = false;
        continue;
      }
      const { kind } = column.type;
      if (kind === 'refs' || kind === 'secret') {
        const items = typeof value === 'string' ? [value] : ((value as string[] | null) ?? []);
        attached.push([column, kind === 'refs' ? this.#targets(column, items, sourcedId, line) : items]);
      } else if (column.name === 'orgSourcedIds') {
        organisations = this.#organisations(value as string[] | null, line);
      } else if (column.column === '') role = value as string | null;
      else values.push(value);
    }
    if (usable) usable = this.#checkOrder(values, line);
    // A strict import is lost by now. What refers to the record is sound, and is not listed as a fault of its own.
    if (usable || (!lenient && sourcedId !== '')) this.#accepted.add(sourcedId);
    if (!usable) return undefined;

    for (const [column, items] of attached) {
      const list = this.attached.get(column)!;
      for (let i = 0; i < items.length; i++) list.push({ owner: sourcedId, value: items[i]!, position: i });
    }
    if (this.spec.name === 'users' && this.#context.version === '1.1') {
      this.userRoles.push({ user: sourcedId, role, organisations, status });
    }
    return { line, sourcedId, values };
  }

  #identify(sourcedId: string, line: number): boolean {
    if (sourcedId === '') this.#fault(line, 'sourcedId', 'VALUE_REQUIRED', 'sourcedId is missing');
    else if (sourcedId.length > 255) {
      this.#fault(line, 'sourcedId', 'VALUE_FORMAT', 'a sourcedId has at most 255 characters');
    } else {
      const first = this.#seen.get(sourcedId);
      if (first === undefined) {
        this.#seen.set(sourcedId, line);
        const owner = this.spec.ownerColumn === undefined || this.#context.known.get('users')!.has(sourcedId);
        if (owner) return true;
        this.#fault(line, 'sourcedId', 'DANGLING_REFERENCE', `users has no ${sourcedId}`);
        return false;
      }
      this.#fault(line, 'sourcedId', 'DUPLICATE_ID', `${sourcedId} stands on line ${first} already`);
    }
    return false;
  }

  #status(text: string, line: number): string {
    const { lenient } = this.#context;
    if (this.#mode === 'bulk') {
      if (text === '') return 'active';
      this.#fault(line, 'status', 'VALUE_FORBIDDEN', 'must be blank in a bulk file');
    } else if (text === 'active' || text === 'tobedeleted') return text;
    else {
      const code = text === '' ? 'VALUE_REQUIRED' : 'VALUE_FORMAT';
      this.#fault(line, 'status', code, 'must be active or tobedeleted in a delta file');
    }
    const word = text.toLowerCase();
    return lenient && (word === 'tobedeleted' || word === 'inactive') ? 'tobedeleted' : 'active';
  }

  #modified(text: string, line: number): Value {
    const name = 'dateLastModified';
    if (text === '') {
      if (this.#mode === 'delta')
        this.#fault(line, name, 'VALUE_REQUIRED', `${name} is missing in a delta file`);
      return null;
    }
    if (this.#mode === 'bulk') this.#fault(line, name, 'VALUE_FORBIDDEN', 'must be blank in a bulk file');
    const value = parseMoment(text);
    if (!isFlaw(value)) return value;
    this.#fault(line, name, 'VALUE_FORMAT', value.flaw);
    return value.instead ?? null;
  }

  #metadata(fields: readonly string[], layout: Layout): Value {
    if (layout.metadata.length === 0) return null;
    const found: Record<string, string> = {};
    for (const [name, index] of layout.metadata) {
      const text = fields[index];
      if (text) found[name] = text.replaceAll('\0', '');
    }
    return Object.keys(found).length === 0 ? null : JSON.stringify(found);
  }

  /** The value of a field, null where it stays empty, undefined where the record cannot be kept. */
  #value(column: Column, parse: Parse, text: string | undefined, line: number): Value | undefined {
    if (text === undefined || text === '') {
      if (!column.required)
        return column.type.kind === 'list' ? [] : column.type.kind === 'pairs' ? '[]' : null;
      // The header has said once that the column is not there.
      if (text === '') this.#fault(line, column.name, 'VALUE_REQUIRED', `${column.name} is missing`);
      return this.#fallback(column);
    }
    const value = parse(text);
    if (isFlaw(value)) {
      this.#fault(line, column.name, 'VALUE_FORMAT', value.flaw);
      return value.instead ?? this.#fallback(column);
    }
    if (column.type.kind === 'ref') return this.#target(column, column.type.to, text, line);
    if (column.limit !== undefined && text.length > column.limit) {
      this.#fault(
        line,
        column.name,
        'VALUE_FORMAT',
        `the text has ${text.length} characters; ${column.limit} fit`,
      );
      return text.slice(0, column.limit).toWellFormed();
    }
    return value;
  }

  #fallback(column: Column): Value | undefined {
    if (column.essential) return undefined;
    if (column.type.kind === 'list') return [];
    if (column.type.kind === 'pairs') return '[]';
    return column.fallback ?? null;
  }

  #target(column: Column, to: FileName, id: string, line: number): Value | undefined {
    if (to === this.spec.name) {
      this.#late.push({ line, column, owner: this.#current, target: id });
      return id;
    }
    if (this.#context.known.get(to)?.has(id)) return id;
    this.#fault(line, column.name, 'DANGLING_REFERENCE', `${to} has no ${id}`);
    return this.#fallback(column);
  }

  #targets(column: Column, items: readonly string[], owner: string, line: number): string[] {
    const { to } = column.type as { to: FileName };
    const kept: string[] = [];
    for (const id of items) {
      if (kept.includes(id)) this.#fault(line, column.name, 'VALUE_FORMAT', `${id} is listed twice`);
      else if (to === this.spec.name) {
        if (id === owner)
          this.#fault(line, column.name, 'VALUE_FORMAT', 'a record cannot refer to itself here');
        else {
          this.#late.push({ line, column, owner, target: id });
          kept.push(id);
        }
      } else if (this.#context.known.get(to)?.has(id)) kept.push(id);
      else this.#fault(line, column.name, 'DANGLING_REFERENCE', `${to} has no ${id}`);
    }
    return kept;
  }

  #organisations(items: readonly string[] | null, line: number): string[] {
    const known = this.#context.known.get('orgs');
    return [...new Set(items ?? [])].filter((id) => {
      if (known?.has(id)) return true;
      this.#fault(line, 'orgSourcedIds', 'DANGLING_REFERENCE', `orgs has no ${id}`);
      return false;
    });
  }

  /** What only two fields together can get wrong. */
  #checkOrder(values: Value[], line: number): boolean {
    const rule = ORDERED[this.spec.name];
    if (!rule) return true;
    const staged = FileReader.stagedColumns(this.spec);
    const at = (name: string) => staged.findIndex((column) => column.column === name) + 4;
    const low = values[at(rule.low)];
    const high = values[at(rule.high)];
    if (typeof low !== 'string' || typeof high !== 'string') return true;
    const wrong = rule.numeric ? Number(high) < Number(low) : rule.strictly ? high <= low : high < low;
    if (wrong) {
      const column = staged[at(rule.high) - 4]!;
      this.#fault(
        line,
        column.name,
        'DATE_ORDER',
        `${high} is ${rule.strictly ? 'not after' : 'before'} ${low}`,
      );
      if (column.essential) return false;
      values[at(rule.high)] = null;
    }
    if (this.spec.name === 'academicSessions' && values[at('school_year')] === null) {
      values[at('school_year')] = (values[at('ends_on')] as string).slice(0, 4);
    }
    return true;
  }

  /** References inside the file can only be checked once all of it was read. */
  #checkOwnReferences(): void {
    const parents = new Map<
      string,
      { readonly target: string; readonly line: number; readonly name: string }
    >();
    for (const { line, column, owner, target } of this.#late) {
      if (!this.#accepted.has(target)) {
        this.#fault(line, column.name, 'DANGLING_REFERENCE', `${this.spec.name} has no ${target}`);
      } else if (column.type.kind === 'ref') parents.set(owner, { target, line, name: column.name });
    }
    for (const [owner, { line, name }] of parents) {
      const seen = new Set([owner]);
      let above = parents.get(owner)?.target;
      while (above !== undefined && !seen.has(above)) {
        seen.add(above);
        above = parents.get(above)?.target;
      }
      if (above !== owner) continue;
      this.#fault(line, name, 'CIRCULAR_REFERENCE', `${owner} would be above itself`);
      this.circular.push(owner);
      parents.delete(owner); // one link less opens the circle
    }
  }
}

const ORDERED: Partial<
  Record<FileName, { low: string; high: string; strictly?: boolean; numeric?: boolean }>
> = {
  academicSessions: { low: 'starts_on', high: 'ends_on', strictly: true },
  enrollments: { low: 'begin_date', high: 'end_date' },
  roles: { low: 'begin_date', high: 'end_date' },
  lineItems: { low: 'value_min', high: 'value_max', numeric: true },
};
