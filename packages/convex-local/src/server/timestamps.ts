/** Convex sends timestamps as nanoseconds in 8 little-endian bytes, base64. Ours are whole microseconds. */
export function encodeTimestamp(microseconds: number): string {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(Math.floor(microseconds)) * 1000n);
  return bytes.toString('base64');
}

export function decodeTimestamp(text: string): number {
  const bytes = Buffer.from(text, 'base64');
  return bytes.length === 8 ? Number(bytes.readBigUInt64LE() / 1000n) : 0;
}
