import { crc32 } from 'node:zlib';

const HEADER = 8;
/** A length beyond this is damage, not data. */
const MAX_PAYLOAD = 1 << 30;

/** One record on disk: length, check sum, JSON. */
export function encodeFrame(record: unknown): Buffer {
  const payload = Buffer.from(JSON.stringify(record));
  const frame = Buffer.allocUnsafe(HEADER + payload.length);
  frame.writeUInt32LE(payload.length, 0);
  frame.writeUInt32LE(crc32(payload), 4);
  payload.copy(frame, HEADER);
  return frame;
}

/** Reads records until the end or the first damaged one, and returns how many bytes were sound. */
export function decodeFrames(bytes: Buffer, receive: (record: unknown) => void): number {
  let at = 0;
  while (at + HEADER <= bytes.length) {
    const length = bytes.readUInt32LE(at);
    const end = at + HEADER + length;
    if (length > MAX_PAYLOAD || end > bytes.length) break;
    const payload = bytes.subarray(at + HEADER, end);
    if (crc32(payload) !== bytes.readUInt32LE(at + 4)) break;
    let record: unknown;
    try {
      record = JSON.parse(payload.toString('utf8'));
    } catch {
      break;
    }
    receive(record);
    at = end;
  }
  return at;
}
