import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import { expect, test } from 'vitest';
import { generateInstanceSecret } from './instance.ts';
import { sealKey } from './key-cipher.ts';
import { inspectUploadToken, issueUploadToken } from './upload-token.ts';

const instance = { instanceName: 'convex-agent', instanceSecret: generateInstanceSecret() };
const noon = new Date('2026-01-01T12:00:00Z');
const later = (minutes: number) => new Date(noon.getTime() + minutes * 60_000);

test('a token is good for an hour, for the component it names', () => {
  const token = issueUploadToken(instance, 'tally', noon);
  expect(inspectUploadToken(token, instance, later(59))).toEqual({ verdict: 'valid', component: 'tally' });
  expect(inspectUploadToken(token, instance, later(60))).toEqual({ verdict: 'expired' });
});

test('a token without a component is for the app', () => {
  const token = issueUploadToken(instance, '', noon);
  expect(inspectUploadToken(token, instance, noon)).toEqual({ verdict: 'valid', component: '' });
});

test('a token of another instance, or changed since, or no token at all is refused', () => {
  const token = issueUploadToken(instance, '', noon);
  const changed = `${token.slice(0, -1)}${token.endsWith('0') ? '1' : '0'}`;
  const refused = { verdict: 'invalid' };
  expect(inspectUploadToken(changed, instance, noon)).toEqual(refused);
  expect(inspectUploadToken('', instance, noon)).toEqual(refused);
  expect(inspectUploadToken('coffee', instance, noon)).toEqual(refused);
  expect(inspectUploadToken(token, { ...instance, instanceName: 'other' }, noon)).toEqual(refused);
  const other = { ...instance, instanceSecret: generateInstanceSecret() };
  expect(inspectUploadToken(token, other, noon)).toEqual(refused);
});

test('a token in the older format opens, too', () => {
  // Field 1 "convex-agent", field 2 the time, field 3 empty, written by hand.
  const message = hexToBytes('0a0c636f6e7665782d6167656e7410c0c3d9ca061a00');
  const token = bytesToHex(
    sealKey('secretbox', 'store file authorization', hexToBytes(instance.instanceSecret), message),
  );
  expect(inspectUploadToken(token, instance, noon)).toEqual({ verdict: 'valid', component: '' });
});
