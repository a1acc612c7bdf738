import { Command } from 'commander';
import type { StackyardError } from '../errors.ts';
import { findWorkspace, selectVariant, type Variant, type Workspace } from '../workspace.ts';
import { type Output, type Paint, painter } from './terminal.ts';

/** What a command gets from the outside: tests give their own. */
export interface Surroundings {
  readonly cwd: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly stdout: Output;
  readonly stderr: Output;
  /** Whether somebody sits at a keyboard. */
  readonly interactive: boolean;
}

/** Options that every command which loads a stack understands. */
export interface StackOptions {
  readonly driver?: string;
  readonly profile?: string[];
  readonly build?: boolean;
}

export function newCommand(name: string, description: string): Command {
  return new Command(name)
    .description(description)
    .showHelpAfterError(false)
    .helpOption('-h, --help', 'show this help');
}

export function withVariant(command: Command): Command {
  return command.argument('[variant]', 'folder of apps/; inside that folder it can be left out');
}

export function withStackOptions(command: Command): Command {
  return command
    .option('--driver <name>', 'how services run (default: STACKYARD_DRIVER, else embedded)')
    .option('--isolated', 'on ports of this checkout alone (the same as STACKYARD_ISOLATED=1)')
    .option('--profile <name>', 'Compose profile to switch on; may be given several times', collect);
}

export function withBuildOption(command: Command): Command {
  return command.option(
    '--build',
    "everything in containers, also what package scripts stand for, from the variant's Dockerfiles",
  );
}

const collect = (value: string, values: readonly string[] = []): string[] => [...values, value];

export function chooseVariant(surroundings: Surroundings, name: string | undefined): Variant {
  return selectVariant(findWorkspace(surroundings.cwd), name);
}

/** The variants that a command for one or all means. */
export function chooseVariants(
  surroundings: Surroundings,
  name: string | undefined,
): { workspace: Workspace; variants: Variant[] } {
  const workspace = findWorkspace(surroundings.cwd);
  const names = name === undefined && workspace.current === undefined ? workspace.variants : [name];
  return { workspace, variants: names.map((entry) => selectVariant(workspace, entry)) };
}

/** The first name is the variant, if it is one; inside a variant's folder it can be left out. */
export function splitVariant(surroundings: Surroundings, names: readonly string[]) {
  const workspace = findWorkspace(surroundings.cwd);
  const [first, ...rest] = names;
  const named =
    first !== undefined &&
    (workspace.variants.includes(first) || (!workspace.current && workspace.variants.length > 1));
  return named
    ? { variant: selectVariant(workspace, first), rest }
    : { variant: selectVariant(workspace), rest: [...names] };
}

export function paints(surroundings: Surroundings): { out: Paint; err: Paint } {
  return {
    out: painter(surroundings.stdout, surroundings.environment),
    err: painter(surroundings.stderr, surroundings.environment),
  };
}

/** Thrown to end a command with a code and without a message. */
export class ExitWith extends Error {
  readonly exitCode: number;

  constructor(exitCode: number, options?: { cause?: StackyardError }) {
    super(`exit code ${exitCode}`, options);
    this.exitCode = exitCode;
  }
}
