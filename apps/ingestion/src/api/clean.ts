import type { JsonValue } from '../pipeline/index.ts';
import { cleanRecord } from '../pipeline/text/clean.ts';
import { Problem } from './problem.ts';

const MAX_BYTES = 64 * 1024;

/**
 * The sender's metadata as `jsonb` can hold it: without NUL and lone surrogates at any depth, keys included. What is too
 * much of it is refused: nobody would miss what was left out until it is not found.
 */
export function metadataOf(value: object): { [key: string]: JsonValue } {
  if (Buffer.byteLength(JSON.stringify(value)) > MAX_BYTES) {
    throw new Problem('API_INVALID', `The metadata is larger than ${MAX_BYTES} bytes`);
  }
  return cleanRecord(value, 0, (what) => {
    throw new Problem('API_INVALID', `The metadata holds ${what}`);
  });
}

/** Metadata that came as text, in a form field or a header. */
export function parseMetadata(text: string | undefined): { [key: string]: JsonValue } {
  if (text === undefined || text === '') return {};
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new Problem('API_INVALID', 'The metadata is not JSON', { cause });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new Problem('API_INVALID', 'The metadata is not a JSON object');
  }
  return metadataOf(value);
}

/** Characters of a document's name, or of its sender's key for it. */
export const MAX_LABEL = 1000;

/** Refuses what is too long: a name that was cut would be another one. */
export function checkLabels(labels: { readonly name?: string; readonly key?: string | undefined }): void {
  for (const what of ['name', 'key'] as const) {
    if ((labels[what]?.length ?? 0) > MAX_LABEL) {
      throw new Problem('API_INVALID', `The document's ${what} is longer than ${MAX_LABEL} characters`);
    }
  }
}

/** A time whose form was checked already; the 61st second of a minute, for one, is none for a Date. */
export function dateOf(text: string | undefined): Date | undefined {
  if (text === undefined) return undefined;
  const date = new Date(text);
  if (Number.isNaN(date.getTime())) throw new Problem('API_INVALID', `There is no such time as ${text}`);
  return date;
}
