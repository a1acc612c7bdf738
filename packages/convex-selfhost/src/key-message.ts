import { concatBytes } from '@noble/hashes/utils.js';

/** What an admin key says, in the order of the fields of its protobuf message. */
export interface KeyMessage {
  /** Field 1. Older keys have none. */
  readonly instanceName?: string | undefined;
  /** Field 2, seconds since 1970; never 0. */
  readonly issuedAtSeconds: number;
  /** Field 3 for a member, field 4 for the system itself. */
  readonly identity: KeyIdentity;
  /** Field 5. */
  readonly readOnly: boolean;
}

export type KeyIdentity =
  | { readonly kind: 'member'; readonly memberId: bigint }
  | { readonly kind: 'system' };

const varint = 0;
const lengthDelimited = 2;

export function encodeKeyMessage({
  instanceName,
  issuedAtSeconds,
  identity,
  readOnly,
}: KeyMessage): Uint8Array {
  const name = instanceName === undefined ? undefined : new TextEncoder().encode(instanceName);
  return concatBytes(
    ...(name ? [tag(1, lengthDelimited), encodeVarint(BigInt(name.length)), name] : []),
    tag(2, varint),
    encodeVarint(BigInt(issuedAtSeconds)),
    ...(identity.kind === 'member'
      ? [tag(3, varint), encodeVarint(identity.memberId)]
      : [tag(4, lengthDelimited), encodeVarint(0n)]),
    ...(readOnly ? [tag(5, varint), encodeVarint(1n)] : []),
  );
}

/** Gives undefined when the bytes are no such message. Unknown fields are skipped, as protobuf demands. */
export function decodeKeyMessage(bytes: Uint8Array): KeyMessage | undefined {
  const reader = { bytes, at: 0 };
  let instanceName: string | undefined;
  let issued = 0n;
  let identity: KeyIdentity | undefined;
  let readOnly = false;
  try {
    while (reader.at < bytes.length) {
      const head = readVarint(reader);
      const field = Number(head >> 3n);
      const value = readValue(reader, Number(head & 7n));
      if (field === 1 && typeof value !== 'bigint') instanceName = utf8(value);
      if (field === 2 && typeof value === 'bigint') issued = value;
      if (field === 3 && typeof value === 'bigint') identity = { kind: 'member', memberId: value };
      if (field === 4 && typeof value !== 'bigint') identity = { kind: 'system' };
      if (field === 5 && typeof value === 'bigint') readOnly = value !== 0n;
    }
  } catch {
    return undefined;
  }
  if (!identity || issued === 0n || issued > BigInt(Number.MAX_SAFE_INTEGER)) return undefined;
  return { instanceName, issuedAtSeconds: Number(issued), identity, readOnly };
}

interface Reader {
  readonly bytes: Uint8Array;
  at: number;
}

function tag(field: number, type: number): Uint8Array {
  return Uint8Array.of((field << 3) | type);
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

function utf8(bytes: Uint8Array): string {
  return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
}
