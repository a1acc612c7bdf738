import type { Value } from 'convex/values';

/** One part of an index key: a Convex value, or `undefined` for a field that the document lacks. */
export type KeyPart = Value | undefined;
export type Key = readonly KeyPart[];

function rank(value: KeyPart): number {
  if (value === undefined) return 0;
  if (value === null) return 1;
  switch (typeof value) {
    case 'bigint':
      return 2;
    case 'number':
      return 3;
    case 'boolean':
      return 4;
    case 'string':
      return 5;
    default:
      if (value instanceof ArrayBuffer) return 6;
      return Array.isArray(value) ? 7 : 8;
  }
}

function compareNumbers(a: number, b: number): number {
  if (a < b) return -1;
  if (a > b) return 1;
  if (a === b) return a === 0 ? Number(Object.is(b, -0)) - Number(Object.is(a, -0)) : 0;
  // NaN sorts after every other number.
  return Number(Number.isNaN(a)) - Number(Number.isNaN(b));
}

/** Convex orders strings by their UTF-8 bytes; UTF-16 units differ from that only around surrogates. */
function compareStrings(a: string, b: string): number {
  if (a === b) return 0;
  const shorter = Math.min(a.length, b.length);
  for (let i = 0; i < shorter; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x === y) continue;
    const xHigh = x >= 0xd800 && x <= 0xdfff;
    const yHigh = y >= 0xd800 && y <= 0xdfff;
    if (xHigh !== yHigh) return xHigh ? 1 : -1;
    return x < y ? -1 : 1;
  }
  return a.length < b.length ? -1 : 1;
}

function compareBytes(a: ArrayBuffer, b: ArrayBuffer): number {
  return Buffer.compare(new Uint8Array(a), new Uint8Array(b));
}

function compareArrays(a: readonly KeyPart[], b: readonly KeyPart[]): number {
  for (let i = 0; i < a.length && i < b.length; i++) {
    const order = compareParts(a[i], b[i]);
    if (order !== 0) return order;
  }
  return a.length - b.length;
}

/** The order of Convex: undefined, null, int64, float64, boolean, string, bytes, array, object. */
export function compareParts(a: KeyPart, b: KeyPart): number {
  if (typeof a === 'string' && typeof b === 'string') return compareStrings(a, b);
  if (typeof a === 'number' && typeof b === 'number') return compareNumbers(a, b);
  const kind = rank(a);
  const difference = kind - rank(b);
  if (difference !== 0) return difference;
  switch (kind) {
    case 2:
      return (a as bigint) < (b as bigint) ? -1 : (a as bigint) > (b as bigint) ? 1 : 0;
    case 4:
      return Number(a) - Number(b);
    case 6:
      return compareBytes(a as ArrayBuffer, b as ArrayBuffer);
    case 7:
      return compareArrays(a as KeyPart[], b as KeyPart[]);
    case 8: {
      const entries = (value: KeyPart) =>
        Object.entries(value as Record<string, Value>)
          .sort(([x], [y]) => compareStrings(x, y))
          .flat();
      return compareArrays(entries(a), entries(b));
    }
    default:
      return 0;
  }
}

export function compareKeys(a: Key, b: Key): number {
  for (let i = 0; i < a.length && i < b.length; i++) {
    const order = compareParts(a[i], b[i]);
    if (order !== 0) return order;
  }
  return a.length - b.length;
}

/** A place between keys: before or after every key that starts with `prefix`. */
export interface Bound {
  readonly prefix: Key;
  readonly after: boolean;
}

/** Negative where the key lies before the bound, positive where it lies after it; never 0. */
export function compareToBound(key: Key, bound: Bound): number {
  const { prefix } = bound;
  for (let i = 0; i < prefix.length; i++) {
    const order = compareParts(key[i], prefix[i]);
    if (order !== 0) return order;
  }
  return bound.after ? -1 : 1;
}

/** The keys between two bounds. */
export interface KeyRange {
  readonly low: Bound;
  readonly high: Bound;
}

export const EVERYTHING: KeyRange = {
  low: { prefix: [], after: false },
  high: { prefix: [], after: true },
};

export function inRange(key: Key, range: KeyRange): boolean {
  return compareToBound(key, range.low) > 0 && compareToBound(key, range.high) < 0;
}
