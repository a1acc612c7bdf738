import { bytesToHex, hexToBytes, randomBytes } from '@noble/hashes/utils.js';
import { SelfhostError } from './selfhost-error.ts';

/** What a backend runs with when `INSTANCE_NAME` is not set. */
export const defaultInstanceName = 'convex-self-hosted';

const secretBytes = 32;

/** Whether Convex takes the name, and PostgreSQL the database name derived from it (63 bytes at most). */
export function isInstanceName(name: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$/.test(name);
}

/** Whether the text is a secret as the backend wants it: 32 bytes as 64 hexadecimal digits. */
export function isInstanceSecret(secret: string): boolean {
  return /^[0-9a-fA-F]{64}$/.test(secret);
}

/** The database that a backend with this instance name opens: `-` becomes `_`. It must exist beforehand. */
export function databaseName(instanceName: string): string {
  requireInstanceName(instanceName);
  return instanceName.replaceAll('-', '_');
}

/** A new instance secret: 32 random bytes as 64 hexadecimal digits, which every env file parser reads unchanged. */
export function generateInstanceSecret(): string {
  return bytesToHex(randomBytes(secretBytes));
}

export function requireInstanceName(name: string): void {
  if (isInstanceName(name)) return;
  throw new SelfhostError(
    'CONVEX_INSTANCE_NAME_INVALID',
    `${JSON.stringify(name)} is not an instance name: 1 to 63 letters, digits, - and _, beginning with a letter or digit.`,
    'Set INSTANCE_NAME to such a name; the same one everywhere.',
  );
}

/** The bytes of a secret; throws without repeating the text. */
export function secretToBytes(secret: string): Uint8Array {
  if (isInstanceSecret(secret)) return hexToBytes(secret);
  throw new SelfhostError(
    'CONVEX_INSTANCE_SECRET_INVALID',
    `The instance secret is not 64 hexadecimal digits (it has ${secret.length} characters).`,
    'Make one with: openssl rand -hex 32',
  );
}
