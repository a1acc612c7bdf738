import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const erp = (...args: string[]) =>
  spawnSync(process.execPath, [fileURLToPath(new URL('./main.ts', import.meta.url)), ...args], {
    encoding: 'utf8',
    env: { PATH: process.env.PATH },
  });

test.each([
  ['a command that there is not', ['importt'], /unknown command 'importt'/],
  ['an argument that is missing', ['import'], /missing required argument 'bundle'/],
  ['an option that there is not', ['check', '--hard'], /unknown option '--hard'/],
  ['a value that cannot be', ['generate', '--schools', 'x', '-o', 'y'], /whole number above zero/],
  ['no command at all', [], /Usage: erp/],
])('%s ends with 2 and says so', (_, args, message) => {
  const { status, stderr } = erp(...args);
  expect(stderr).toMatch(message);
  expect(status).toBe(2);
});

test('help ends with 0, and a failure with 1', () => {
  expect(erp('load', '--help')).toMatchObject({
    status: 0,
    stdout: expect.stringContaining('schema.table.csv'),
  });
  expect(erp('check').status).toBe(1);
});

test('what cannot be confirmed without a terminal is refused before anything is asked of the database', () => {
  const { status, stdout, stderr } = erp('reset-demo');
  expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
  expect(stderr).toMatch(/DEMO_UNCONFIRMED[\s\S]*--yes/);
});
