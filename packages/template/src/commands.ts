import { type ChildProcess, spawn } from 'node:child_process';
import path from 'node:path';
import { TemplateError } from './template-error.ts';

/** Runs a program quietly; what it said is shown only when it fails. */
export async function run(
  command: string,
  args: readonly string[],
  options: {
    readonly cwd: string;
    readonly signal?: AbortSignal | undefined;
    /** What to do when it fails. */
    readonly hint?: string | undefined;
  },
): Promise<string> {
  const windows = process.platform === 'win32';
  const [program = command, ...words] = windows ? [command, ...args].map(quoted) : [command, ...args];
  const child = spawn(program, words, {
    cwd: options.cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
    // An interrupt of the terminal reaches this process, which then ends the program and cleans up.
    detached: !windows,
    shell: windows, // it alone runs command files, and Node does not quote for it
  });
  let output = '';
  const collect = (chunk: Buffer) => {
    output += chunk;
  };
  child.stdout.on('data', collect);
  child.stderr.on('data', collect);
  const abort = () => end(child);
  options.signal?.addEventListener('abort', abort);
  const code = await new Promise<number | string>((resolve) => {
    child.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    child.once('close', (status, signal) => resolve(status ?? signal ?? 1));
    if (options.signal?.aborted) abort();
  });
  options.signal?.removeEventListener('abort', abort);
  options.signal?.throwIfAborted();
  if (code === 0) return output;
  const lines = output.trim().split('\n');
  throw new TemplateError('TEMPLATE_STEP', `${[command, ...args].join(' ')} ended with ${code}`, {
    details: lines.slice(-15),
    hint: options.hint ?? 'see what it says above; the tree is as it was before',
  });
}

/** A word for the shell of Windows, also where it has a space. */
export function quoted(word: string): string {
  return /^[\w./\\:@=,+-]+$/.test(word) ? word : `"${word.replaceAll('"', '""')}"`;
}

/** pnpm by way of the tree's own wrapper. */
export function pnpmw(
  root: string,
  args: readonly string[],
  signal?: AbortSignal,
  hint?: string,
): Promise<string> {
  const wrapper = path.join(root, process.platform === 'win32' ? 'pnpmw.cmd' : 'pnpmw');
  return run(wrapper, args, { cwd: root, signal, hint });
}

function end(child: ChildProcess): void {
  if (child.pid === undefined || child.exitCode !== null) return;
  try {
    process.kill(process.platform === 'win32' ? child.pid : -child.pid, 'SIGTERM');
  } catch {
    // It has ended by itself.
  }
}
