import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { eventually } from '../../test/contract/workspace.ts';
import { groupLives } from '../processes.ts';
import { ManagedProcess, type ProcessSpec } from './managed-process.ts';
import { Watchdog } from './watchdog.ts';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'stackyard process '));
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

const spec = (more: Partial<ProcessSpec>): ProcessSpec => ({
  name: 'it',
  command: 'sh',
  args: ['-c', 'env; pwd'],
  environment: { PATH: process.env.PATH ?? '' },
  cwd: folder,
  stopSignal: 'SIGTERM',
  stopGraceMs: 1000,
  output: { line: () => {} },
  ...more,
});

test('a program never runs when its owner is killed before the watchdog has heard of it', async () => {
  const program = `
    import { writeFileSync } from 'node:fs';
    import { ManagedProcess } from ${JSON.stringify(path.join(import.meta.dirname, 'managed-process.ts'))};
    const add = (group) => {
      writeFileSync('group', String(group));
      process.kill(process.pid, 'SIGKILL');
    };
    await ManagedProcess.start(JSON.parse(process.argv[1]), { add });
  `;
  const given = { ...spec({ args: ['-c', 'touch ran; sleep 1000'] }), output: { file: 1 } };
  const args = ['--input-type=module', '-e', program, JSON.stringify(given)];
  const owner = spawn(process.execPath, args, { cwd: folder, stdio: 'ignore' });
  expect((await once(owner, 'exit'))[1]).toBe('SIGKILL');
  const group = Number(readFileSync(path.join(folder, 'group'), 'utf8'));
  await eventually(
    () => !groupLives(group),
    () => 'it lives on',
  );
  expect(existsSync(path.join(folder, 'ran'))).toBe(false);
});

test.each([{ PLAIN: 'a b' }, { 'dotted.name': 'kept' }])(
  'a program gets its whole environment: %o',
  async (more) => {
    using watchdog = new Watchdog();
    const lines: string[] = [];
    const environment = { ...spec({}).environment, ...more };
    const child = await ManagedProcess.start(
      spec({ command: 'env', args: [], environment, output: { line: (text) => lines.push(text) } }),
      watchdog,
    );
    expect(await child.exited).toEqual({ code: 0, signal: null });
    await child.drained;
    for (const [name, value] of Object.entries(environment)) expect(lines).toContain(`${name}=${value}`);
  },
);

test.each(['no-such-program', './a-folder', './not-executable'])(
  'a program that cannot be executed fails at once: %s',
  async (command) => {
    using watchdog = new Watchdog();
    mkdirSync(path.join(folder, 'a-folder'));
    writeFileSync(path.join(folder, 'not-executable'), '#!/bin/sh\n');
    await expect(ManagedProcess.start(spec({ command }), watchdog)).rejects.toMatchObject({
      code: 'STACKYARD_SPAWN',
    });
  },
);
