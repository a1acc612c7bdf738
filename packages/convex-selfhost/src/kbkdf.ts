import { hmac } from '@noble/hashes/hmac.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { concatBytes } from '@noble/hashes/utils.js';

/**
 * Derives `length` bytes: the key derivation of NIST SP 800-108 in counter mode, with HMAC-SHA-256 and a 32-bit
 * big-endian counter before the fixed input.
 */
export function kbkdf(key: Uint8Array, fixedInput: Uint8Array, length: number): Uint8Array {
  const blocks: Uint8Array[] = [];
  for (let counter = 1; (counter - 1) * sha256.outputLen < length; counter += 1) {
    const prefix = new Uint8Array(4);
    new DataView(prefix.buffer).setUint32(0, counter);
    blocks.push(hmac(sha256, key, concatBytes(prefix, fixedInput)));
  }
  return concatBytes(...blocks).slice(0, length);
}
