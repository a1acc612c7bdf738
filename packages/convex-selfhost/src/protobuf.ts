import { concatBytes } from '@noble/hashes/utils.js';

/** The slice of protobuf's wire format that Convex's keys and tokens use. */
const varint = 0;
const lengthDelimited = 2;

/** One field: a whole number, or bytes. */
export function encodeField(number: number, value: bigint | Uint8Array): Uint8Array {
  return typeof value === 'bigint'
    ? concatBytes(Uint8Array.of((number << 3) | varint), encodeVarint(value))
    : concatBytes(Uint8Array.of((number << 3) | lengthDelimited), encodeVarint(BigInt(value.length)), value);
}

/** The fields of a message, by number; undefined when the bytes are no message. */
export function decodeFields(bytes: Uint8Array): ReadonlyMap<number, bigint | Uint8Array> | undefined {
  const reader = { bytes, at: 0 };
  const fields = new Map<number, bigint | Uint8Array>();
  try {
    while (reader.at < bytes.length) {
      const head = readVarint(reader);
      fields.set(Number(head >> 3n), readValue(reader, Number(head & 7n)));
    }
  } catch {
    return undefined;
  }
  return fields;
}

/** The text of a field; undefined where it has none. */
export function textOf(value: bigint | Uint8Array | undefined): string | undefined {
  if (!(value instanceof Uint8Array)) return undefined;
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(value);
  } catch {
    return undefined;
  }
}

/** A time in whole seconds since 1970; undefined where the field has none. 0 stands for none. */
export function secondsOf(value: bigint | Uint8Array | undefined): number | undefined {
  if (typeof value !== 'bigint' || value === 0n || value > BigInt(Number.MAX_SAFE_INTEGER)) return undefined;
  return Number(value);
}

interface Reader {
  readonly bytes: Uint8Array;
  at: number;
}

function encodeVarint(value: bigint): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  return Uint8Array.of(...bytes, Number(rest));
}

function readVarint(reader: Reader): bigint {
  let value = 0n;
  for (let shift = 0n; shift < 64n; shift += 7n) {
    const byte = take(reader, 1)[0] as number;
    value |= BigInt(byte & 127) << shift;
    if (byte < 128) return BigInt.asUintN(64, value);
  }
  throw new RangeError('varint too long');
}

function readValue(reader: Reader, type: number): bigint | Uint8Array {
  if (type === varint) return readVarint(reader);
  if (type === 1) return take(reader, 8);
  if (type === lengthDelimited) return take(reader, Number(readVarint(reader)));
  if (type === 5) return take(reader, 4);
  throw new RangeError(`wire type ${type}`);
}

function take(reader: Reader, length: number): Uint8Array {
  const end = reader.at + length;
  if (end > reader.bytes.length) throw new RangeError('message cut off');
  const part = reader.bytes.subarray(reader.at, end);
  reader.at = end;
  return part;
}
