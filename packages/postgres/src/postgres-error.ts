/** The fields of an error that PostgreSQL sent, as far as they are used here. */
interface ServerError extends Error {
  readonly code?: string;
  readonly detail?: string;
  readonly hint?: string;
  readonly position?: string;
  readonly schema?: string;
  readonly table?: string;
  readonly column?: string;
  readonly constraint?: string;
}

export interface PostgresErrorOptions {
  readonly hint: string;
  readonly cause?: unknown;
  readonly sqlState?: string | undefined;
  readonly table?: string | undefined;
  readonly column?: string | undefined;
  readonly constraint?: string | undefined;
}

/**
 * Everything this package throws, except the reason of an abort. `code` starts with `POSTGRES_`; `sqlState` is
 * PostgreSQL's own code where the server answered. Neither the connection's password nor a parameter's value is in it.
 */
export class PostgresError extends Error {
  override readonly name = 'PostgresError';
  readonly code: `POSTGRES_${string}`;
  readonly hint: string;
  readonly sqlState: string | undefined;
  readonly table: string | undefined;
  readonly column: string | undefined;
  readonly constraint: string | undefined;

  constructor(code: `POSTGRES_${string}`, message: string, options: PostgresErrorOptions) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint;
    this.sqlState = options.sqlState;
    this.table = options.table;
    this.column = options.column;
    this.constraint = options.constraint;
  }
}

type Entry = readonly [code: `POSTGRES_${string}`, hint: string];

/** By SQLSTATE, or by its first two characters (the class). */
const bySqlState: Readonly<Record<string, Entry>> = {
  '08': [
    'POSTGRES_CONNECTION_LOST',
    'See whether the server still runs; its log says why it closed the connection.',
  ],
  '28': ['POSTGRES_AUTHENTICATION', 'Check the user name and the password in the connection URL.'],
  '53': ['POSTGRES_RESOURCES', 'The server is out of a resource (disk, memory or connections); see its log.'],
  '23502': ['POSTGRES_NOT_NULL', 'Give the named column a value.'],
  '23503': [
    'POSTGRES_FOREIGN_KEY',
    'The row that is referred to must exist, and stay as long as it is referred to.',
  ],
  '23505': ['POSTGRES_UNIQUE', 'A row with the same key exists already.'],
  '23514': ['POSTGRES_CHECK', 'The named constraint says what the value must be.'],
  '23P01': ['POSTGRES_EXCLUSION', 'The row overlaps another one, which the named constraint forbids.'],
  '3D000': ['POSTGRES_NO_DATABASE', 'Create the database, or correct its name in the connection URL.'],
  '40001': ['POSTGRES_SERIALIZATION', 'Run the whole transaction again: `tx` does so by itself.'],
  '40P01': ['POSTGRES_DEADLOCK', 'Run the whole transaction again: `tx` does so by itself.'],
  '42501': ['POSTGRES_PERMISSION', 'Grant the role what it needs, or satisfy the row-level security policy.'],
  '55P03': [
    'POSTGRES_LOCK_TIMEOUT',
    'Another transaction holds the lock; try again, or raise lockTimeoutMs.',
  ],
  '57014': ['POSTGRES_CANCELED', 'The statement ran longer than its timeout, or somebody cancelled it.'],
  '57P01': ['POSTGRES_CONNECTION_LOST', 'The server ended the connection; it is shutting down, most likely.'],
  '57P03': ['POSTGRES_UNREACHABLE', 'The server is starting or stopping; try again shortly.'],
};

const bySystemCode: Readonly<Record<string, Entry>> = {
  ECONNREFUSED: ['POSTGRES_UNREACHABLE', 'Start the server, or correct host and port in the connection URL.'],
  ENOTFOUND: ['POSTGRES_UNREACHABLE', 'Correct the host name in the connection URL.'],
  ETIMEDOUT: ['POSTGRES_UNREACHABLE', 'Check the network between this machine and the server.'],
  ECONNRESET: ['POSTGRES_CONNECTION_LOST', 'See whether the server still runs.'],
  EPIPE: ['POSTGRES_CONNECTION_LOST', 'See whether the server still runs.'],
};

const byMessage: readonly (readonly [RegExp, Entry])[] = [
  [
    /timeout exceeded when trying to connect/,
    ['POSTGRES_POOL_TIMEOUT', 'All connections were busy: shorten transactions, or raise `connections`.'],
  ],
  [
    /due to connection timeout|timeout expired/,
    ['POSTGRES_UNREACHABLE', 'Check that the server answers on that host and port.'],
  ],
  [
    /after calling end on the pool|Client was closed/,
    ['POSTGRES_CLOSED', 'Use the client before it is closed.'],
  ],
  [
    /Connection terminated|connection error and is not queryable/,
    ['POSTGRES_CONNECTION_LOST', 'See whether the server still runs.'],
  ],
  [
    /password must be a string|no password/i,
    ['POSTGRES_AUTHENTICATION', 'The connection URL has no password, and the server asks for one.'],
  ],
];

/** Turns whatever `pg` threw into a PostgresError; one of ours passes through. */
export function toPostgresError(error: unknown): PostgresError {
  if (error instanceof PostgresError) return error;
  const source = (error instanceof AggregateError ? (error.errors[0] ?? error) : error) as ServerError;
  const message = source.message || String(source);
  const [code, hint] = entryFor(source, message);
  const sqlState = isSqlState(source.code) ? source.code : undefined;
  const { table, column, constraint } = source;
  const where = constraint ? ` (constraint ${constraint}${table ? ` of ${table}` : ''})` : '';
  const shown = constraint && !message.includes(constraint) ? `${message}${where}` : message;
  return new PostgresError(code, shown, {
    hint: source.hint ?? hint,
    cause: error,
    sqlState,
    table,
    column,
    constraint,
  });
}

/**
 * Whether the server closes the connection after this error: it is shutting down, was told to end this session, or the
 * session was idle for too long. The driver learns that a moment later, too late for whoever borrows it next.
 */
export function endsConnection(error: unknown): boolean {
  const { code, sqlState = code } = error as { code?: string; sqlState?: string };
  return /^(08|57P0[1235]|25P0[34])/.test(sqlState ?? '');
}

function entryFor({ code = '' }: ServerError, message: string): Entry {
  if (isSqlState(code)) {
    const entry = bySqlState[code] ?? bySqlState[code.slice(0, 2)];
    return entry ?? ['POSTGRES_QUERY', 'Correct the statement; SQLSTATE and message are PostgreSQL’s.'];
  }
  return (
    bySystemCode[code] ??
    byMessage.find(([pattern]) => pattern.test(message))?.[1] ?? [
      'POSTGRES_QUERY',
      'The message is that of the driver; `cause` has the details.',
    ]
  );
}

function isSqlState(code: string | undefined): code is string {
  return code !== undefined && /^[0-9A-Z]{5}$/.test(code) && /\d/.test(code);
}

/** A `catch` handler for what comes from the driver. What comes from the caller's own functions is left as it is. */
export function rethrow(error: unknown): never {
  throw toPostgresError(error);
}
