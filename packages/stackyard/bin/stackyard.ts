#!/usr/bin/env node
import { enableCompileCache } from 'node:module';
import path from 'node:path';

// In the checkout, so that nothing outside it is written.
enableCompileCache(path.join(import.meta.dirname, '..', '..', '..', '.stackyard', 'cache', 'compile'));
const { main } = await import('../src/cli/main.ts');
process.exitCode = await main(process.argv.slice(2), {
  cwd: process.cwd(),
  environment: process.env,
  stdout: process.stdout,
  stderr: process.stderr,
  interactive: process.stdin.isTTY === true && process.stdout.isTTY === true,
});
