import { expect, test } from 'vitest';
import { checkPostgresUrl, type PostgresUrlOptions } from './postgres-url.ts';

const ids = (url: string, options?: PostgresUrlOptions) =>
  checkPostgresUrl(url, options).map((finding) => finding.id.replace('convex-postgres-url-', ''));

test.each([
  ['postgresql://convex:abc123@postgres:5432', {}],
  ['postgres://convex:a%40b%2F@db.example.org', {}],
  ['postgresql://convex:abc@postgres:5432/', {}],
  ['postgresql://convex:abc@[::1]:5432?sslmode=require', {}],
  ['postgresql://convex:abc@postgres:5432?sslmode=disable', { doNotRequireSsl: true }],
  ['postgresql://convex:abc@127.0.0.1:5432', { inContainer: false }],
])('accepts %s with %j', (url, options) => {
  expect(checkPostgresUrl(url, options)).toEqual([]);
});

test.each([
  ['postgres', ['form']],
  ['', ['form']],
  ['mysql://u:p@h:1', ['scheme']],
  ['postgresql://postgres:5432', ['user']],
  ['postgresql://u:p@h:5432/app', ['database']],
  ['postgresql://u:p@:5432', ['host']],
  ['postgresql://u:p@h:99999', ['port']],
  ['postgresql://u:p@h:5432?application_name=x&sslmode=verify-full', ['parameters', 'tls-mode']],
  ['postgresql://u:p@h:5432?sslmode=disable', ['tls']],
  ['postgresql://u:p@ss@h:5432', ['encoding']],
  ['postgresql://u:a/b?c#d@h:5432', ['encoding']],
  ['postgresql://u:100%@h:5432', ['encoding']],
  ['postgresql://u:a$b@h:5432', ['dollar']],
  ['postgresql://u:a_b@h:5432', ['underscore']],
  ['postgresql://u:p@h:5432#x', ['fragment']],
])('names what is wrong with %s', (url, expected) => {
  expect(ids(url)).toEqual(expected);
});

test.each(['localhost', '127.0.0.1', '[::1]'])('knows that %s is the container itself', (host) => {
  expect(ids(`postgresql://u:p@${host}:5432`, { inContainer: true })).toEqual(['loopback']);
});

test('tells everything at once, never the password, and always what to do', () => {
  const findings = checkPostgresUrl('mysql://u:hun@ter_2$@localhost:0/db?x=1&sslmode=allow', {
    inContainer: true,
  });
  expect(findings.map((finding) => finding.id.replace('convex-postgres-url-', ''))).toEqual([
    'scheme',
    'encoding',
    'dollar',
    'underscore',
    'port',
    'loopback',
    'database',
    'parameters',
    'tls-mode',
  ]);
  expect(JSON.stringify(findings)).not.toMatch(/hun|ter_2/);
  expect(findings.every((finding) => finding.fix !== '')).toBe(true);
});
