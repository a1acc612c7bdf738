/** An int64 as Convex JSON. */
export function encodeInt64(value: bigint): { $integer: string } {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64LE(value);
  return { $integer: bytes.toString('base64') };
}
