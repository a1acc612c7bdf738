import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ContainerTools } from './container-tools.ts';

let bin: string;

beforeEach(() => {
  bin = mkdtempSync(path.join(tmpdir(), 'stackyard tools '));
});

afterEach(() => rmSync(bin, { recursive: true, force: true }));

/** Gives input to a tool that acts as the script says. */
function input(script: string, chunks: AsyncIterable<Buffer>): Promise<string> {
  writeFileSync(path.join(bin, 'docker'), `#!/bin/sh\n${script}\n`);
  chmodSync(path.join(bin, 'docker'), 0o755);
  const tools = new ContainerTools('database', {}, { PATH: bin });
  return tools.input(['pg_restore'], 'shop', chunks, new AbortController().signal);
}

/** More than any pipe holds. */
async function* much(passed: { bytes: number }) {
  for (; passed.bytes < 8e6; passed.bytes += 1e5) yield Buffer.alloc(1e5, 'line\n');
}

test('a tool that has what it needs ends before its input, which passes to its end', async () => {
  const passed = { bytes: 0 };
  await input('read -r line', much(passed));
  expect(passed.bytes).toBe(8e6);
});

test('a tool that fails says why, and its input is left', async () => {
  const passed = { bytes: 0 };
  const failed = input('read -r line; echo no such role >&2; exit 1', much(passed));
  await expect(failed).rejects.toMatchObject({ name: 'ToolError', message: 'no such role' });
});

test('an input that breaks off is the reason why its tool fails', async () => {
  async function* broken() {
    yield Buffer.from('line\n');
    throw new Error('no space left on device');
  }
  const failed = input('while read -r line; do :; done; echo unexpected end >&2; exit 1', broken());
  await expect(failed).rejects.toThrow('no space left on device');
});
