import { gcmsiv } from '@noble/ciphers/aes.js';
import { secretbox } from '@noble/ciphers/salsa.js';
import { concatBytes, randomBytes } from '@noble/hashes/utils.js';
import { kbkdf } from './kbkdf.ts';

/**
 * How the message of a key is encrypted. Every known backend accepts `secretbox` (NaCl, under the instance secret
 * itself); `gcm-siv` (AES-128-GCM-SIV under a key derived from the secret) is what backends issue since May 2025.
 */
export type KeyFormat = 'secretbox' | 'gcm-siv';

const version = 1;
const nonceBytes: Readonly<Record<KeyFormat, number>> = { secretbox: 24, 'gcm-siv': 12 };
const tagBytes = 16;

/** What is sealed. Under `gcm-siv` each has a key of its own, derived with these very words. */
export type Purpose = 'admin key' | 'store file authorization';

function cipher(format: KeyFormat, purpose: Purpose, secret: Uint8Array, nonce: Uint8Array) {
  if (format === 'gcm-siv') {
    const key = kbkdf(secret, new TextEncoder().encode(purpose), 16);
    return gcmsiv(key, nonce, Uint8Array.of(version));
  }
  const box = secretbox(secret, nonce);
  return { encrypt: box.seal, decrypt: box.open };
}

/** Version byte, nonce, ciphertext. */
export function sealKey(
  format: KeyFormat,
  purpose: Purpose,
  secret: Uint8Array,
  message: Uint8Array,
): Uint8Array {
  const nonce = randomBytes(nonceBytes[format]);
  return concatBytes(Uint8Array.of(version), nonce, cipher(format, purpose, secret, nonce).encrypt(message));
}

export type OpenedKey =
  | { readonly format: KeyFormat; readonly message: Uint8Array }
  | 'too short'
  | 'older version'
  | 'unknown version'
  | 'other secret';

/** The two formats share their version byte: what tells them apart is under which one the key opens. */
export function openKey(purpose: Purpose, secret: Uint8Array, sealed: Uint8Array): OpenedKey {
  const [keyVersion = version] = sealed;
  if (keyVersion !== version) return keyVersion < version ? 'older version' : 'unknown version';
  if (sealed.length <= 1 + nonceBytes['gcm-siv'] + tagBytes) return 'too short';
  for (const format of ['gcm-siv', 'secretbox'] as const) {
    const end = 1 + nonceBytes[format];
    if (sealed.length <= end + tagBytes) continue;
    try {
      const message = cipher(format, purpose, secret, sealed.slice(1, end)).decrypt(sealed.slice(end));
      return { format, message };
    } catch {
      // Not this format, or another secret: authentication cannot tell.
    }
  }
  return 'other secret';
}
