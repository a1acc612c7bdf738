import { bytesToHex, concatBytes, hexToBytes, utf8ToBytes } from '@noble/hashes/utils.js';
import type { Instance } from './admin-key.ts';
import { secretToBytes } from './instance.ts';
import { openKey, sealKey } from './key-cipher.ts';
import { decodeFields, encodeField, secondsOf, textOf } from './protobuf.ts';

const validSeconds = 60 * 60;

/** What an upload token turns out to be: good for a component's files, or refused for one of two reasons. */
export type UploadToken =
  | { readonly verdict: 'valid'; readonly component: string }
  | { readonly verdict: 'invalid' | 'expired' };

/**
 * Issues the `token` of an upload url as the backend would. It names the component whose file the upload becomes
 * (`''` is the app), holds for an hour, and may be used more than once.
 */
export function issueUploadToken(
  { instanceName, instanceSecret }: Instance,
  component = '',
  issuedAt = new Date(),
): string {
  const message = concatBytes(
    encodeField(1, utf8ToBytes(instanceName)),
    encodeField(2, BigInt(Math.floor(issuedAt.getTime() / 1000))),
    // Field 3: what the token is for. An empty message stands for storing a file.
    encodeField(3, new Uint8Array()),
    ...(component === '' ? [] : [encodeField(4, utf8ToBytes(component))]),
  );
  const secret = secretToBytes(instanceSecret);
  return bytesToHex(sealKey('gcm-siv', 'store file authorization', secret, message));
}

/** Says whether the backend would accept the token of an upload url. */
export function inspectUploadToken(
  token: string,
  { instanceName, instanceSecret }: Instance,
  now = new Date(),
): UploadToken {
  if (!/^(?:[0-9a-f]{2})+$/i.test(token)) return { verdict: 'invalid' };
  const opened = openKey('store file authorization', secretToBytes(instanceSecret), hexToBytes(token));
  const fields = typeof opened === 'string' ? undefined : decodeFields(opened.message);
  const issuedAtSeconds = secondsOf(fields?.get(2));
  if (issuedAtSeconds === undefined || textOf(fields?.get(1)) !== instanceName) return { verdict: 'invalid' };
  if (issuedAtSeconds + validSeconds <= now.getTime() / 1000) return { verdict: 'expired' };
  return fields?.get(3) instanceof Uint8Array
    ? { verdict: 'valid', component: textOf(fields.get(4)) ?? '' }
    : { verdict: 'invalid' };
}
