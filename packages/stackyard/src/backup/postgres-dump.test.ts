import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { ContainerTools } from './container-tools.ts';
import { canDump } from './postgres-dump.ts';

test.each([
  ['pg_dump', 'its image has no pg_dump'],
  ['awk', 'its image has no awk to count the rows of a dump'],
])('an image without %s cannot dump', async (missing, reason) => {
  const bin = mkdtempSync(path.join(tmpdir(), 'stackyard-tools-'));
  onTestFinished(() => rmSync(bin, { recursive: true, force: true }));
  const docker = path.join(bin, 'docker');
  const answer = `case "$*" in *${missing}*) exit 127 ;; *) echo 'tool (PostgreSQL) 17.10' ;; esac`;
  writeFileSync(docker, `#!/bin/sh\n${answer}\n`);
  chmodSync(docker, 0o755);
  const tools = new ContainerTools('database', {}, { PATH: bin });
  expect(await canDump(tools, new AbortController().signal)).toEqual({ reason });
});
