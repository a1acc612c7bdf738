import { closeSync, writeSync } from 'node:fs';
import path from 'node:path';
import type { Stack } from './driver.ts';
import { InterruptedError } from './errors.ts';
import { type HostAddresses, hostBasics, hostEnvironment } from './host-environment.ts';
import { logFile, openLog, tail } from './log-files.ts';
import type { RunScript } from './plan.ts';
import { serviceDied } from './service-died.ts';
import type { ManagedProcess } from './supervisor/managed-process.ts';
import type { Supervisor } from './supervisor/supervisor.ts';

/** How long a script may take to end after it was asked to. */
const scriptGraceMs = 10_000;

export interface ScriptContext {
  readonly stack: Stack;
  readonly addresses: HostAddresses;
  readonly supervisor: Supervisor;
  readonly processEnvironment: Readonly<Record<string, string | undefined>>;
  /** Gets each line that a script prints. */
  output(name: string, line: string): void;
}

/** The name of a script in logs and prefixes: `dev:api` is `api`. */
export const scriptLabel = (script: string): string => script.replace(/^dev:/, '');

/** The variables that Compose gives the services of a script; the first service wins. */
function scriptVariables(
  stack: Stack,
  services: readonly string[],
  addresses: HostAddresses,
): Record<string, string> {
  const all = services.map((service) => hostEnvironment(stack.model, service, addresses).values);
  return Object.assign({}, ...all.reverse());
}

/** The whole environment of a script: the host's basics, the commands of its packages, Compose's variables. */
export function scriptEnvironment(
  stack: Stack,
  services: readonly string[],
  addresses: HostAddresses,
  processEnvironment: Readonly<Record<string, string | undefined>>,
): Record<string, string> {
  const { root, directory } = stack.variant;
  const basics = hostBasics(processEnvironment);
  const folders = [path.join(directory, 'node_modules', '.bin'), path.join(root, 'node_modules', '.bin')];
  // `node` is the one that runs this program, also where an older one stands first on the caller's PATH.
  const search = [...folders, path.dirname(process.execPath), basics.PATH ?? ''].join(path.delimiter);
  // As for this program itself: Node then need not strip and compile the script's modules at each start.
  const cache = path.join(root, '.stackyard', 'cache', 'compile');
  return {
    NODE_COMPILE_CACHE: cache,
    ...basics,
    INIT_CWD: directory,
    ...scriptVariables(stack, services, addresses),
    PATH: search,
  };
}

/** Starts a script of the variant's package.json in its folder; output goes to its log and to `output`. */
export async function startScript(operation: RunScript, context: ScriptContext): Promise<ManagedProcess> {
  const { stack, supervisor } = context;
  const { variant } = stack;
  const label = scriptLabel(operation.script);
  let log: number | undefined = openLog(variant.stateDirectory, label);
  const close = () => {
    if (log !== undefined) closeSync(log);
    log = undefined;
  };
  const line = (text: string) => {
    try {
      if (log !== undefined) writeSync(log, `${text}\n`);
    } catch {
      // A full disk: the line is shown all the same.
    }
    context.output(label, text);
  };
  try {
    const child = await supervisor.spawn({
      name: operation.script,
      command: '/bin/sh',
      args: ['-c', variant.scripts[operation.script]!],
      environment: scriptEnvironment(
        stack,
        operation.environmentOf,
        context.addresses,
        context.processEnvironment,
      ),
      cwd: variant.directory,
      stopSignal: 'SIGTERM',
      stopGraceMs: scriptGraceMs,
      output: { line },
    });
    child.drained.then(close);
    return child;
  } catch (error) {
    close();
    throw error;
  }
}

/** Runs a script to its end; throws when it fails. */
export async function runScript(
  operation: RunScript,
  context: ScriptContext,
  signal: AbortSignal,
): Promise<void> {
  const child = await startScript(operation, context);
  const onAbort = () => void child.stop();
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  const exit = await child.exited;
  signal.removeEventListener('abort', onAbort);
  if (signal.aborted) {
    await child.stop();
    throw new InterruptedError();
  }
  await child.drained;
  if (exit.code !== 0) throw scriptFailed(operation, child, context.stack);
}

/** The error for a script that ended by itself, with its last lines. */
export function scriptFailed(operation: RunScript, child: ManagedProcess, stack: Stack): Error {
  const log = scriptLabel(operation.script);
  const lines = tail(logFile(stack.variant.stateDirectory, log), 12);
  return serviceDied(`the script ${operation.script}`, child.exit!, lines, {
    code: 'STACKYARD_SCRIPT_FAILED',
    log: `${stack.variant.name} ${log}`,
  });
}
