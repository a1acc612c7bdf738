import { jsonToConvex } from 'convex/values';
import type { KeyPart } from './value-order.ts';

/** A document as Convex's JSON, with `_id` and `_creationTime`. */
export type StoredDocument = Record<string, unknown> & { _id: string; _creationTime: number };

/** The value of a field path as a key part; a step through something that is no object gives undefined. */
export function fieldAt(document: Record<string, unknown>, path: readonly string[]): KeyPart {
  let value: unknown = document;
  for (const step of path) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
    value = Object.hasOwn(value, step) ? (value as Record<string, unknown>)[step] : undefined;
  }
  if (value === undefined) return undefined;
  return typeof value === 'object' && value !== null ? jsonToConvex(value as never) : (value as KeyPart);
}
