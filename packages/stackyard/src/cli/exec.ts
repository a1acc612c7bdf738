import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import path from 'node:path';
import type { Command } from 'commander';
import { splitProfiles } from '../configuration.ts';
import { StackyardError, UsageError } from '../errors.ts';
import { load } from '../load.ts';
import { hostAddresses } from '../plan.ts';
import { processVariables } from '../process-environment.ts';
import { scriptEnvironment } from '../scripts.ts';
import { findWorkspace } from '../workspace.ts';
import {
  chooseVariant,
  ExitWith,
  newCommand,
  type StackOptions,
  type Surroundings,
  withStackOptions,
} from './command-line.ts';

export function command(surroundings: Surroundings): Command {
  return withStackOptions(newCommand('exec', 'run a command with the environment of a process of the stack'))
    .usage('[variant] [options] -- <command> [arguments...]')
    .argument('[words...]', 'variant (not needed inside its folder), then after -- the command')
    .option(
      '--as <process>',
      'whose environment: setup, a dev script or a service (default: setup, else the first)',
    )
    .addHelpText(
      'after',
      `
The command runs in the folder it was called from and sees the stack as its scripts do. The variant's own
commands ("bin" in its package.json) can be called by name.`,
    )
    .action((words: string[], options: ExecOptions, self: Command) =>
      exec(surroundings, words, options, self),
    );
}

interface ExecOptions extends StackOptions {
  readonly as?: string;
}

async function exec(
  surroundings: Surroundings,
  words: readonly string[],
  options: ExecOptions,
  self: Command,
): Promise<void> {
  // Commander drops the `--`: what was before it is what the raw arguments have before it.
  const raw = (self.parent as Command & { rawArgs: string[] }).rawArgs;
  const separated = raw.includes('--');
  const named = findWorkspace(surroundings.cwd).variants.includes(words[0] ?? '') ? 1 : 0;
  const before = separated ? words.length - (raw.length - raw.indexOf('--') - 1) : named;
  const [program, ...args] = words.slice(before);
  if (before > 1 || program === undefined) {
    throw new UsageError('exec needs a command', {
      hint: 'for example: stackyard exec <variant> -- node report.ts',
    });
  }
  const variant = chooseVariant(surroundings, words.slice(0, before)[0]);
  const loaded = await load(variant, {
    processEnvironment: surroundings.environment,
    driver: options.driver,
    profiles: splitProfiles(options.profile ?? []),
  });
  const { services } = processVariables(loaded, options.as);
  const addresses = hostAddresses(loaded.stack, loaded.driver);
  const environment = scriptEnvironment(loaded.stack, services, addresses, surroundings.environment);
  const { commands } = loaded.stack.variant;
  const own = Object.hasOwn(commands, program) ? commands[program] : undefined;
  const [file, parts] = own === undefined ? [program, args] : [process.execPath, [own, ...args]];
  const code = await runInForeground(file, parts, environment, surroundings.cwd);
  if (code !== 0) throw new ExitWith(code);
}

/** Sent to this process alone, or twice to the command, which does no harm. */
const forwarded = ['SIGTERM', 'SIGHUP'] as const;

/** Hands the terminal to the command. Signals reach it as they reach this process; its exit code is the answer. */
function runInForeground(
  program: string,
  args: string[],
  env: Record<string, string>,
  cwd: string,
): Promise<number> {
  return new Promise((resolve, reject) => {
    const ignore = () => {}; // the terminal sends Ctrl-C to the child too
    const forward = (signal: NodeJS.Signals) => void child.kill(signal);
    // Before the command can run: a signal in between would end this process alone.
    process.on('SIGINT', ignore);
    for (const signal of forwarded) process.on(signal, forward);
    const child = spawn(program, args, { env, cwd, stdio: 'inherit' });
    const done = () => {
      process.off('SIGINT', ignore);
      for (const signal of forwarded) process.off(signal, forward);
    };
    child.once('error', (cause: NodeJS.ErrnoException) => {
      done();
      reject(
        new StackyardError('STACKYARD_SPAWN', `${program} cannot be started: ${cause.message}`, {
          hint: 'check its name, and that it may be executed; commands of the variant and of the root are on the PATH',
          cause,
          exitCode: isThere(program, cwd, env.PATH) ? 126 : 127, // as shells do
        }),
      );
    });
    child.once('exit', (code, signal) => {
      done();
      resolve(code ?? 128 + (signal ? constants.signals[signal] : 0));
    });
  });
}

/** Whether a program is there, executable or not. The error does not tell: a folder of the PATH that is closed spoils it. */
function isThere(program: string, cwd: string, searchPath = ''): boolean {
  const folders = program.includes('/') ? [cwd] : searchPath.split(path.delimiter);
  return folders.some((folder) => existsSync(path.resolve(cwd, folder, program)));
}
