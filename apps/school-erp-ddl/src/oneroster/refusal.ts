import type { Client } from '../database.ts';
import { OneRosterError } from './fault.ts';

/** What PostgreSQL tells about a refused row. */
interface DatabaseRefusal {
  readonly code: string;
  readonly schema?: string;
  readonly table?: string;
  readonly constraint?: string;
  readonly detail?: string;
}

/**
 * What to throw for an error that came out of a transaction: the importer's own error where there is one, the
 * sentence that the schema has for the constraint that refused a row, or the error itself.
 */
export async function describeRefusal(error: unknown, db: Client): Promise<unknown> {
  for (let at = error; at instanceof Error; at = at.cause) if (at instanceof OneRosterError) return at;
  const refusal = refusalOf(error);
  if (!refusal?.constraint) return error;
  const [row] = await db.query<{ message: string }>(
    `SELECT message FROM tenancy.constraint_message
     WHERE schema_name = $1 AND table_name = $2 AND constraint_name = $3`,
    [refusal.schema, refusal.table, refusal.constraint],
  );
  return new OneRosterError(
    'ONEROSTER_REFUSED_BY_DATABASE',
    `${row?.message ?? 'The database refused a row.'} (${refusal.schema}.${refusal.table}, ${refusal.constraint})`,
    refusal.detail ?? 'Nothing was imported; the bundle contradicts what the database already holds.',
    { cause: error },
  );
}

function refusalOf(error: unknown): DatabaseRefusal | undefined {
  for (let at = error; at instanceof Error; at = at.cause) {
    const code = (at as { code?: unknown }).code;
    if (typeof code === 'string' && /^23[0-9A-Z]{3}$/.test(code)) return at as unknown as DatabaseRefusal;
  }
  return undefined;
}
