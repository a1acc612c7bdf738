/** Something wrong in a bundle, with its place. `line` counts from 1; 0 means the file as a whole. */
export interface Fault {
  readonly file: string;
  readonly line: number;
  /** Column name, or '' where the fault is the record's or the file's. */
  readonly column: string;
  readonly code: FaultCode;
  readonly message: string;
}

export type FaultCode =
  | 'FILE_MISSING'
  | 'FILE_UNKNOWN'
  | 'FILE_EMPTY'
  | 'MANIFEST'
  | 'ENCODING'
  | 'CSV_SYNTAX'
  | 'COLUMN_MISSING'
  | 'COLUMN_UNKNOWN'
  | 'COLUMN_ORDER'
  | 'FIELD_COUNT'
  | 'VALUE_REQUIRED'
  | 'VALUE_FORBIDDEN'
  | 'VALUE_FORMAT'
  | 'DATE_ORDER'
  | 'DUPLICATE_ID'
  | 'DANGLING_REFERENCE'
  | 'CIRCULAR_REFERENCE';

/** Faults of one kind at one column, summed. */
export interface FaultSummary {
  readonly file: string;
  readonly column: string;
  readonly code: FaultCode;
  readonly count: number;
  readonly firstLine: number;
  readonly message: string;
}

/**
 * Collects faults. It keeps the first `limit` in full and counts the rest, so that a bundle with a million faults
 * costs no more memory than one with a thousand.
 */
export class FaultLog {
  readonly faults: Fault[] = [];
  total = 0;
  readonly #limit: number;
  readonly #summaries = new Map<string, { -readonly [K in keyof FaultSummary]: FaultSummary[K] }>();

  constructor(limit = 10_000) {
    this.#limit = limit;
  }

  add(file: string, line: number, columnAsRead: string, code: FaultCode, messageAsRead: string): void {
    const column = storable(columnAsRead);
    const message = storable(messageAsRead);
    this.total++;
    if (this.faults.length < this.#limit) this.faults.push({ file, line, column, code, message });
    const key = `${file}\0${column}\0${code}`;
    const summary = this.#summaries.get(key);
    if (summary) summary.count++;
    else this.#summaries.set(key, { file, column, code, count: 1, firstLine: line, message });
  }

  summaries(): FaultSummary[] {
    return [...this.#summaries.values()];
  }
}

/** Faults quote what a file holds, and are kept as JSON, which takes neither NUL nor half a character. */
export function storable(text: string): string {
  return text.replaceAll('\0', '\uFFFD').toWellFormed();
}

export type OneRosterErrorCode =
  | 'ONEROSTER_FAULTS'
  | 'ONEROSTER_PACKAGE_UNREADABLE'
  | 'ONEROSTER_ZIP_UNSAFE'
  | 'ONEROSTER_ZIP_ENCRYPTED'
  | 'ONEROSTER_ZIP_DUPLICATE'
  | 'ONEROSTER_TOO_LARGE'
  | 'ONEROSTER_VERSION'
  | 'ONEROSTER_TENANT'
  | 'ONEROSTER_PACK'
  | 'ONEROSTER_REFUSED_BY_DATABASE'
  | 'ONEROSTER_TARGET_EXISTS';

/** A bundle that was not imported, or an export that was not written. The database is as it was before. */
export class OneRosterError extends Error {
  readonly code: OneRosterErrorCode;
  readonly hint: string;
  /** Every fault, where the bundle was refused for its content. */
  readonly log: FaultLog | undefined;

  constructor(
    code: OneRosterErrorCode,
    message: string,
    hint: string,
    options: ErrorOptions & { log?: FaultLog } = {},
  ) {
    super(message, options);
    this.name = 'OneRosterError';
    this.code = code;
    this.hint = hint;
    this.log = options.log;
  }
}
