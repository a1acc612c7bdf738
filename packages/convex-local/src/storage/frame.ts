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

/** The payloads up to the end or the first damaged record, and how many bytes were sound. */
export function readFrames(bytes: Buffer): { payloads: Buffer[]; sound: number } {
  const payloads: Buffer[] = [];
  let at = 0;
  while (at + HEADER <= bytes.length) {
    const length = bytes.readUInt32LE(at);
    const end = at + HEADER + length;
    // Zeros, which a power cut leaves at the end of a file, are no empty records.
    if (length === 0 || length > MAX_PAYLOAD || end > bytes.length) break;
    const payload = bytes.subarray(at + HEADER, end);
    if (crc32(payload) !== bytes.readUInt32LE(at + 4)) break;
    payloads.push(payload);
    at = end;
  }
  return { payloads, sound: at };
}
