import { createHash } from 'node:crypto';
import { convexToJson, jsonToConvex } from 'convex/values';
import type { Key } from '../storage/value-order.ts';
import { FunctionError } from './function-error.ts';
import type { SerializedQuery } from './query-stream.ts';

export const END_CURSOR = 'end' as const;

/** Ties a cursor to the query it came from; another query must not continue from it. */
export function queryFingerprint(query: SerializedQuery, component: string): string {
  return createHash('sha256')
    .update(component)
    .update(JSON.stringify(query))
    .digest('base64url')
    .slice(0, 12);
}

export function encodeCursor(place: Key | typeof END_CURSOR, fingerprint: string): string {
  const position =
    place === END_CURSOR
      ? END_CURSOR
      : place.map((part) => (part === undefined ? { u: 0 } : { v: convexToJson(part) }));
  return Buffer.from(JSON.stringify([fingerprint, position])).toString('base64url');
}

export function decodeCursor(cursor: string, fingerprint: string): Key | typeof END_CURSOR {
  let parsed: [string, typeof END_CURSOR | Array<{ v?: never }>];
  try {
    parsed = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'));
    if (!Array.isArray(parsed)) throw new Error('not a list');
  } catch {
    throw new FunctionError(`InvalidCursor: Failed to parse cursor`);
  }
  if (parsed[0] !== fingerprint) {
    throw new FunctionError(
      'InvalidCursor: Tried to run a query starting from a cursor, but it looks like this cursor is from a ' +
        'different query.',
    );
  }
  if (parsed[1] === END_CURSOR) return END_CURSOR;
  return parsed[1].map((part) => ('v' in part ? jsonToConvex(part.v as never) : undefined));
}
