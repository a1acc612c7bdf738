#!/usr/bin/env node
import { fileURLToPath } from 'node:url';
import { archiveFile } from '@stackyard/template';
import { main } from '../index.ts';

const interrupted = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => interrupted.abort());
}
const { stdin, stdout, stderr } = process;
// Whoever read the output has gone: stop as after Ctrl-C.
for (const stream of [stdout, stderr]) stream.on('error', () => interrupted.abort());
const carried = fileURLToPath(new URL(`../../${archiveFile}`, import.meta.url));
process.exitCode = await main(process.argv.slice(2), carried, {
  cwd: process.cwd(),
  stdin,
  stdout,
  stderr,
  interactive: stdin.isTTY === true && stdout.isTTY === true,
  signal: interrupted.signal,
});
