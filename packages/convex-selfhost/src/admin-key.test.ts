import { inspect } from 'node:util';
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import { describe, expect, test } from 'vitest';
import { inspectAdminKey, issueAdminKey, splitAdminKey } from './admin-key.ts';
import { databaseName, generateInstanceSecret, isInstanceSecret } from './instance.ts';
import { sealKey } from './key-cipher.ts';
import { SelfhostError } from './selfhost-error.ts';

const carnitas = {
  instanceName: 'carnitas',
  instanceSecret: '4361726e697461732c206c69746572616c6c79206d65616e696e6720226c6974',
};
const systemKey =
  'carnitas|01ec1dc4339bc4a2c653e70016b1e1dea952bcfd707a0cd49c1bddcdfcd4d4a79bb2d6bdfa2f1493a1937cdb71e984c4a7';
const memberKey =
  '0135d8598650f8f5cb0f30c34ec2e2bb62793bc28717c8eb6fb577996d50be5f4281b59181095065c5d0f86a2c31ddbe9b597ec62b47ded69782cd';

describe.each(['secretbox', 'gcm-siv'] as const)('a key in the format %s', (format) => {
  const issuedAt = new Date('2026-01-02T03:04:05.678Z');

  test('fits the instance that it was issued for, and says what it is', () => {
    const key = issueAdminKey({ ...carnitas, format, memberId: 7, issuedAt });
    expect(key).toMatch(/^carnitas\|01[0-9a-f]+$/);
    expect(inspectAdminKey(key, carnitas)).toEqual({
      verdict: 'valid',
      message: 'The admin key fits the instance "carnitas".',
      content: {
        format,
        identity: { kind: 'member', memberId: 7n },
        readOnly: false,
        issuedAt: new Date('2026-01-02T03:04:05Z'),
      },
    });
  });

  test('is never the same twice', () => {
    expect(issueAdminKey({ ...carnitas, format, issuedAt })).not.toBe(
      issueAdminKey({ ...carnitas, format, issuedAt }),
    );
  });

  test('is told from one for another name, another secret, or both', () => {
    const key = issueAdminKey({ ...carnitas, format });
    const instanceSecret = generateInstanceSecret();
    const otherName = inspectAdminKey(key, { ...carnitas, instanceName: 'tacos' });
    expect(otherName.verdict).toBe('other-instance-name');
    expect(otherName.message).toContain('"carnitas", the backend is "tacos"; the secret fits');
    expect(inspectAdminKey(key, { ...carnitas, instanceSecret }).verdict).toBe('other-secret');
    const both = inspectAdminKey(key, { instanceName: 'tacos', instanceSecret });
    expect(both.verdict).toBe('other-instance-name');
    expect(both.message).toContain('the secret does not fit either');
  });

  test('does not open once a digit of it is changed', () => {
    const key = issueAdminKey({ ...carnitas, format });
    for (const at of [12, key.length >> 1, key.length - 1]) {
      const changed = key.slice(0, at) + (key[at] === '0' ? '1' : '0') + key.slice(at + 1);
      expect(inspectAdminKey(changed, carnitas).verdict).toBe('other-secret');
    }
  });

  test('may be read-only, which is named', () => {
    const key = issueAdminKey({ ...carnitas, format, readOnly: true });
    expect(inspectAdminKey(key, carnitas)).toMatchObject({
      verdict: 'read-only',
      content: { readOnly: true },
    });
  });

  test('is named expired where the backend takes only the other format', () => {
    const formats = [format === 'secretbox' ? 'gcm-siv' : 'secretbox'] as const;
    expect(inspectAdminKey(issueAdminKey({ ...carnitas, format }), { ...carnitas, formats }).verdict).toBe(
      'expired-format',
    );
  });
});

test('the known credentials are valid, one as the system, one as a member without its name in front', () => {
  expect(inspectAdminKey(systemKey, carnitas)).toMatchObject({
    verdict: 'valid',
    content: { identity: { kind: 'system' } },
  });
  expect(inspectAdminKey(memberKey, carnitas)).toMatchObject({
    verdict: 'valid',
    content: { identity: { kind: 'member', memberId: 0n } },
  });
  expect(inspectAdminKey(memberKey, { ...carnitas, instanceName: 'tacos' }).verdict).toBe(
    'other-instance-name',
  );
});

test('a deployment type in front and white space around are left aside', () => {
  expect(inspectAdminKey(`  prod:${systemKey}\n`, carnitas).verdict).toBe('valid');
  expect(splitAdminKey(`dev:${systemKey}`)).toMatchObject({
    deploymentType: 'dev',
    instanceName: 'carnitas',
  });
});

test.each([
  ['nothing', ''],
  ['words', 'not a key'],
  ['no digits', 'carnitas|'],
  ['an odd number of digits', `${systemKey}0`],
  ['quotes', `"${systemKey}"`],
  ['a line break in the middle', `${systemKey.slice(0, 40)}\n${systemKey.slice(40)}`],
  ['a cut end', systemKey.slice(0, 30)],
  ['a later version of the format', systemKey.replace('|01', '|02')],
  ['no name anywhere', systemKey.replace('carnitas|', '')],
  [
    'no message',
    `carnitas|${bytesToHex(sealKey('gcm-siv', 'admin key', hexToBytes(carnitas.instanceSecret), Uint8Array.of(255)))}`,
  ],
])('a key with %s is malformed', (_, key) => {
  const inspection = inspectAdminKey(key, carnitas);
  expect(inspection.verdict).toBe('malformed');
  expect(inspection.fix).toBeTruthy();
});

test('a key from before version 1 of the format is expired', () => {
  expect(inspectAdminKey(systemKey.replace('|01', '|00'), carnitas).verdict).toBe('expired-format');
});

test('no report repeats the key or the secret', () => {
  for (const instanceName of ['carnitas', 'tacos']) {
    const report = inspect(inspectAdminKey(systemKey, { ...carnitas, instanceName }));
    expect(report).not.toContain(systemKey.slice(9, 25));
    expect(report).not.toContain(carnitas.instanceSecret.slice(0, 16));
  }
});

test('an instance that cannot exist is refused without its secret being repeated', () => {
  const thrownBy = (run: () => unknown) => {
    try {
      run();
    } catch (error) {
      return error as SelfhostError;
    }
    throw new Error('nothing was thrown');
  };
  for (const instanceName of ['', 'a|b', 'prod:a', '-a', 'a b', 'ä', 'x'.repeat(64)]) {
    const error = thrownBy(() => issueAdminKey({ ...carnitas, instanceName }));
    expect(error).toBeInstanceOf(SelfhostError);
    expect(error.code).toBe('CONVEX_INSTANCE_NAME_INVALID');
  }
  const error = thrownBy(() => issueAdminKey({ ...carnitas, instanceSecret: 'hunter2' }));
  expect(error.code).toBe('CONVEX_INSTANCE_SECRET_INVALID');
  expect(inspect(error)).not.toContain('hunter2');
  for (const options of [
    { memberId: -1 },
    { memberId: 1.5 },
    { memberId: 2n ** 64n },
    { issuedAt: new Date(0) },
  ]) {
    expect(thrownBy(() => issueAdminKey({ ...carnitas, ...options })).code).toBe('CONVEX_ADMIN_KEY_OPTIONS');
  }
});

test('the database name has underscores for hyphens', () => {
  expect(databaseName('convex-self-hosted')).toBe('convex_self_hosted');
});

test('a generated secret is 32 bytes in hexadecimal, and new each time', () => {
  const secret = generateInstanceSecret();
  expect(isInstanceSecret(secret)).toBe(true);
  expect(secret).not.toBe(generateInstanceSecret());
});
