import { readFileSync } from 'node:fs';
import { type Command, CommanderError } from 'commander';
import { describeError, exitCodes, formatError, UsageError } from '../errors.ts';
import { ExitWith, newCommand, paints, type Surroundings } from './command-line.ts';

type CommandModule = { command(surroundings: Surroundings): Command };

/** The commands, in the order of `--help`. Only the one that is called gets loaded. */
const commands: Readonly<Record<string, () => Promise<CommandModule>>> = {
  dev: () => import('./dev.ts'),
  up: () => import('./up.ts'),
  down: () => import('./down.ts'),
  status: () => import('./status.ts'),
  logs: () => import('./logs.ts'),
  wait: () => import('./wait.ts'),
  env: () => import('./env.ts'),
  exec: () => import('./exec.ts'),
  backup: () => import('./backup.ts'),
  restore: () => import('./restore.ts'),
  reset: () => import('./reset.ts'),
  ports: () => import('./ports.ts'),
  doctor: () => import('./doctor.ts'),
  new: () => import('./new.ts'),
  add: () => import('./add.ts'),
  convex: () => import('./convex.ts'),
  init: () => import('./init.ts'),
  upgrade: () => import('./upgrade.ts'),
};

const exitCodeHelp = `
Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted. "exec" ends with the code of its command.`;

/** Runs the command line and returns the exit code. */
export async function main(args: readonly string[], surroundings: Surroundings): Promise<number> {
  try {
    await parse(args, surroundings);
    return exitCodes.ok;
  } catch (error) {
    if (error instanceof ExitWith) return error.exitCode;
    if (error instanceof CommanderError && error.exitCode === 0) return exitCodes.ok;
    const shown = error instanceof CommanderError ? usageError(error) : error;
    const code = describeError(shown).exitCode;
    if (code === exitCodes.interrupted)
      surroundings.stderr.write('interrupted; everything that was started has stopped\n');
    else surroundings.stderr.write(`${emphasize(formatError(shown), surroundings)}\n`);
    return code;
  }
}

async function parse(args: readonly string[], given: Surroundings): Promise<void> {
  // An option that stands for a variable: whatever is started from here sees it too.
  const environment: Record<string, string | undefined> = { ...given.environment };
  const surroundings: Surroundings = { ...given, environment };
  const program = newCommand(
    'stackyard',
    'Runs the stack that Compose files describe, with or without Docker.',
  )
    .usage('<command> [variant] [options]')
    .version(version(), '-V, --version', 'show the version')
    .enablePositionalOptions()
    .hook('preAction', (_, action) => {
      if (action.opts().isolated) environment.STACKYARD_ISOLATED = '1';
    })
    .addHelpText('after', exitCodeHelp);
  const named = args.find((argument) => !argument.startsWith('-')) ?? '';
  const wanted = Object.hasOwn(commands, named) ? [named] : Object.keys(commands);
  const modules = await Promise.all(wanted.map((name) => commands[name]!()));
  for (const { command } of modules)
    program.addCommand(command(surroundings).addHelpText('after', exitCodeHelp));
  for (const command of withSubcommands(program)) {
    command.exitOverride().configureOutput({
      writeOut: (text) => surroundings.stdout.write(text),
      writeErr: () => {}, // the error is shown once, as every other
    });
  }
  if (args.length === 0) {
    program.configureOutput({ writeErr: (text) => surroundings.stdout.write(text) }).outputHelp();
    return;
  }
  await program.parseAsync(args, { from: 'user' });
}

function version(): string {
  const manifest = new URL('../../package.json', import.meta.url);
  return (JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }).version;
}

function withSubcommands(command: Command): Command[] {
  return [command, ...command.commands.flatMap(withSubcommands)];
}

function usageError(error: CommanderError): UsageError {
  return new UsageError(error.message.replace(/^error: /, ''), {
    hint: 'stackyard --help lists the commands, stackyard <command> --help their options',
    cause: error,
  });
}

function emphasize(block: string, surroundings: Surroundings): string {
  const { err } = paints(surroundings);
  return block.replace(/^error/, (word) => err('red', word)).replace(/^next:/m, (word) => err('bold', word));
}
