#!/usr/bin/env node
import './compile-cache.js';

// Whoever read the output has gone (`stackyard logs | head`): stop as after Ctrl-C.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error) => {
    if (error.code === 'EPIPE') process.kill(process.pid, 'SIGTERM');
  });
}

const { main } = await import('../cli/main.ts');
process.exitCode = await main(process.argv.slice(2), {
  cwd: process.cwd(),
  environment: process.env,
  stdout: process.stdout,
  stderr: process.stderr,
  interactive: process.stdin.isTTY === true && process.stdout.isTTY === true,
});
