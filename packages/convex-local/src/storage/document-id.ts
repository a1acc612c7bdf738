import { randomFillSync } from 'node:crypto';

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';
const DIGITS = new Map([...ALPHABET].map((character, digit) => [character, digit]));

function fletcher16(bytes: Uint8Array): number {
  let low = 0;
  let high = 0;
  for (const byte of bytes) {
    low = (low + byte) % 256;
    high = (high + low) % 256;
  }
  return (high << 8) | low;
}

function base32(bytes: Uint8Array): string {
  let text = '';
  let bits = 0;
  let value = 0;
  for (const byte of bytes) {
    value = (value << 8) | byte;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text += ALPHABET[(value >> bits) & 31];
    }
    value &= (1 << bits) - 1;
  }
  if (bits > 0) text += ALPHABET[(value << (5 - bits)) & 31];
  return text;
}

function unbase32(text: string): Uint8Array | null {
  const bytes: number[] = [];
  let bits = 0;
  let value = 0;
  for (const character of text) {
    const digit = DIGITS.get(character);
    if (digit === undefined) return null;
    value = (value << 5) | digit;
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      bytes.push((value >> bits) & 255);
      value &= (1 << bits) - 1;
    }
  }
  return value === 0 ? Uint8Array.from(bytes) : null;
}

/** A document id as Convex writes it: base 32 of table number, 16 bytes and a check sum. */
export function encodeDocumentId(tableNumber: number, internal: Uint8Array): string {
  const head: number[] = [];
  let rest = tableNumber;
  while (rest > 127) {
    head.push((rest & 127) | 128);
    rest >>>= 7;
  }
  head.push(rest);
  const body = Uint8Array.from([...head, ...internal]);
  const sum = fletcher16(body);
  return base32(Uint8Array.from([...body, sum & 255, sum >> 8]));
}

/** The number of the table an id belongs to, or null where the text is no id. */
export function tableNumberOf(id: string): number | null {
  if (id.length < 31 || id.length > 37) return null;
  const bytes = unbase32(id);
  if (bytes === null || bytes.length < 19) return null;
  let number = 0;
  let at = 0;
  for (; at < 5; at++) {
    const byte = bytes[at]!;
    number += (byte & 127) * 2 ** (7 * at);
    if (byte < 128) break;
  }
  if (bytes.length !== at + 1 + 16 + 2) return null;
  const sum = fletcher16(bytes.subarray(0, -2));
  if (bytes.at(-2) !== (sum & 255) || bytes.at(-1) !== sum >> 8) return null;
  return number;
}

export function newDocumentId(tableNumber: number): string {
  return encodeDocumentId(tableNumber, randomFillSync(new Uint8Array(16)));
}
