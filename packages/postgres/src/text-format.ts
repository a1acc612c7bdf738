import { PostgresError } from './postgres-error.ts';

/**
 * A value in PostgreSQL's text form, or null: dates in ISO 8601, bytes as `\x...`, arrays as array literals, other
 * objects as JSON.
 */
export function fieldText(value: unknown): string | null {
  if (value === null || value === undefined) return null;
  if (typeof value === 'string') return value;
  if (value instanceof Date) {
    if (Number.isNaN(value.getTime())) {
      throw new PostgresError('POSTGRES_VALUE', 'A Date without a time cannot be stored', {
        hint: 'Look where it comes from: `new Date(text)` of a text that is no date gives such a one. Or pass null.',
      });
    }
    return value.toISOString();
  }
  if (value instanceof Uint8Array) return `\\x${Buffer.from(value).toString('hex')}`;
  if (Array.isArray(value)) return arrayLiteral(value);
  if (typeof value === 'object') return JSON.stringify(value);
  return String(value);
}

/** A field of COPY's text format. */
export function copyField(value: unknown): string {
  const text = fieldText(value);
  if (text === null) return '\\N';
  return special.test(text) ? text.replace(specials, (character) => escapes[character] as string) : text;
}

const special = /[\\\t\n\r]/;
const specials = /[\\\t\n\r]/g;
const escapes: Readonly<Record<string, string>> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r' };

function arrayLiteral(values: readonly unknown[]): string {
  const elements = values.map((value) => {
    if (Array.isArray(value)) return arrayLiteral(value);
    const text = fieldText(value);
    return text === null ? 'NULL' : `"${text.replace(/["\\]/g, '\\$&')}"`;
  });
  return `{${elements.join(',')}}`;
}
