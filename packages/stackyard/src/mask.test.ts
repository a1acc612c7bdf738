import { expect, test } from 'vitest';
import { maskUrl, maskVariable } from './mask.ts';

test('the password of a URL is hidden, whatever else it holds', () => {
  expect(maskUrl('postgresql://u:p%40ss@127.0.0.1:5434/db')).toBe('postgresql://u:***@127.0.0.1:5434/db');
  expect(maskUrl('http://127.0.0.1:5434/a:b@c')).toBe('http://127.0.0.1:5434/a:b@c');
});

test.each([
  'POSTGRES_PASSWORD',
  'API_KEY',
  'MODEL_API_KEY',
  'SESSION_SECRET',
  'GITHUB_TOKEN',
  'BACKEND_ADMIN_KEY',
  'S3_SECRET_ACCESS_KEY',
])('%s is a secret by its name', (name) => {
  expect(maskVariable(name, 'value')).toBe('***');
});

test.each(['PGUSER', 'PORT', 'KEYBOARD', 'AUTHOR', 'PRIMARY_REGION'])('%s is not', (name) => {
  expect(maskVariable(name, 'value')).toBe('value');
});
