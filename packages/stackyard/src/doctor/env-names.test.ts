import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { findWorkspace } from '../workspace.ts';
import { checkEnvNames } from './env-names.ts';

let root: string;

beforeEach(() => {
  root = mkdtempSync(path.join(tmpdir(), 'stackyard names '));
  write('infra/compose.yaml', `services:\n  db: { image: "postgres:\${POSTGRES_VERSION:-17}" }\n`);
  write(
    'apps/shop/compose.yaml',
    `services:\n  db: { environment: { POSTGRES_PASSWORD: "\${SHOP_PASSWORD}" } }\n`,
  );
  write('.env.example', '# Rounds\n#AGENT_ROUNDS=3\n');
});

afterEach(() => rmSync(root, { recursive: true, force: true }));

function write(file: string, text: string): void {
  mkdirSync(path.dirname(path.join(root, file)), { recursive: true });
  writeFileSync(path.join(root, file), text);
}

test('is silent about what Compose files, .env.example, Compose or Stackyard read', () => {
  write('.env', 'POSTGRES_VERSION=16\nAGENT_ROUNDS=1\nCOMPOSE_PROFILES=x\nSTACKYARD_DRIVER=docker\n');
  write('apps/shop/.env', 'SHOP_PASSWORD=x\n');
  expect(checkEnvNames(findWorkspace(root))).toEqual([]);
});

test('names what nothing reads, with the name that was meant, and not the value', () => {
  write('.env', 'SHOP_PASWORD=hunter2\n');
  write('apps/shop/.env', 'EDITOR=vi\n');
  const checks = checkEnvNames(findWorkspace(root));
  expect(checks.map(({ result, message, fix }) => [result, message, fix])).toEqual([
    ['warning', '.env sets SHOP_PASWORD, which nothing reads', 'write SHOP_PASSWORD, if that was meant'],
    ['warning', 'apps/shop/.env sets EDITOR, which nothing reads', 'remove it, or name it in a Compose file'],
  ]);
  expect(JSON.stringify(checks)).not.toContain('hunter2');
});

test('leaves a malformed file to the check that names its line', () => {
  write('.env', 'A="open\n');
  expect(checkEnvNames(findWorkspace(root))).toEqual([]);
});
