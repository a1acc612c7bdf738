import { expect, test } from 'vitest';
import { mergeEnvLocal } from './env-local.ts';

const values = {
  CONVEX_SELF_HOSTED_URL: 'http://127.0.0.1:3210',
  CONVEX_SELF_HOSTED_ADMIN_KEY: 'convex-agent|01abcdef',
};
const later = { ...values, CONVEX_SELF_HOSTED_ADMIN_KEY: 'convex-agent|01fedcba' };
const fresh = mergeEnvLocal('', values).text;

test('an empty file gets both values, each under a mark', () => {
  expect(fresh.split('\n').map((line) => line.replace(/[0-9a-f]{12}/, 'fingerprint'))).toEqual([
    '# Written by Stackyard (fingerprint). Change the value and it stays yours.',
    'CONVEX_SELF_HOSTED_URL=http://127.0.0.1:3210',
    '# Written by Stackyard (fingerprint). Change the value and it stays yours.',
    "CONVEX_SELF_HOSTED_ADMIN_KEY='convex-agent|01abcdef'",
    '',
  ]);
});

test('a second time changes nothing', () => {
  expect(mergeEnvLocal(fresh, values)).toEqual({ text: fresh, changed: false, notes: [] });
});

test('what it wrote itself follows a new key', () => {
  const merged = mergeEnvLocal(`A=1\n${fresh}B=2\n`, later);
  expect(merged.text).toBe(`A=1\n${mergeEnvLocal('', later).text}B=2\n`);
  expect(merged).toMatchObject({ changed: true, notes: [] });
});

test('what a person wrote stays, with a note that does not repeat the key', () => {
  const text = "# mine\nexport CONVEX_SELF_HOSTED_ADMIN_KEY='mine|01'\n";
  const merged = mergeEnvLocal(text, values);
  expect(merged.text).toMatch(/^# mine\nexport CONVEX_SELF_HOSTED_ADMIN_KEY='mine\|01'\n\n# Written/);
  expect(merged.text).not.toContain('01abcdef');
  expect(merged.notes).toEqual([
    'CONVEX_SELF_HOSTED_ADMIN_KEY in .env.local was set by hand and stays as it is.',
  ]);
});

test('what a person changed under the mark stays', () => {
  const changed = fresh.replace('01abcdef', '01mine');
  const merged = mergeEnvLocal(changed, later);
  expect(merged.text).toBe(changed);
  expect(merged.notes).toHaveLength(1);
});

test('an empty value is filled in its place', () => {
  expect(mergeEnvLocal('CONVEX_SELF_HOSTED_URL=\nA=1\n', values).text).toMatch(
    /^# Written .*\nCONVEX_SELF_HOSTED_URL=http:\/\/127\.0\.0\.1:3210\nA=1\n\n# Written/,
  );
});

test('comments and quoted text are no assignments', () => {
  const text = '#CONVEX_SELF_HOSTED_URL=x\nA="one\nCONVEX_SELF_HOSTED_URL=two\n"\n';
  const merged = mergeEnvLocal(text, values);
  expect(merged.text.startsWith(`${text}\n`)).toBe(true);
  expect(merged.text).toContain('\nCONVEX_SELF_HOSTED_URL=http://127.0.0.1:3210\n');
  expect(mergeEnvLocal('A="open\nCONVEX_SELF_HOSTED_URL=mine\n', values).notes).toHaveLength(1);
});

test('line ends stay as they are, and a missing last one is added', () => {
  const merged = mergeEnvLocal('A=1\r\nB=2', values).text;
  expect(merged.startsWith('A=1\r\nB=2\r\n\r\n# Written')).toBe(true);
  expect(merged.replaceAll('\r\n', '')).not.toContain('\n');
});

test('says that CONVEX_DEPLOYMENT stands in the way', () => {
  expect(mergeEnvLocal('CONVEX_DEPLOYMENT=dev:happy-otter-123 # team\n', values).notes).toEqual([
    expect.stringContaining('CONVEX_DEPLOYMENT is set too'),
  ]);
});
