import { readFileSync } from 'node:fs';
import path from 'node:path';
import {
  ComposeError,
  type ComposeModel,
  loadCompose,
  normalizeProjectName,
  type Problem,
  parseEnvFile,
} from '@stackyard/compose';
import type { Stack } from './driver.ts';
import { StackyardError, UsageError } from './errors.ts';
import { generateValues, readGenerated, writeGenerated } from './generated-values.ts';
import { isolatedPorts } from './isolated-ports.ts';
import { choosePort } from './ports.ts';
import { type PortRecord, readLiveState, readState } from './state.ts';
import type { Variant } from './workspace.ts';

export interface LoadOptions {
  /** The environment of this process. */
  readonly processEnvironment: Readonly<Record<string, string | undefined>>;
  readonly profiles?: readonly string[];
  /** Where generated values are kept, in place of the checkout. */
  readonly home?: string;
  /** `--driver`; stronger than `STACKYARD_DRIVER`, which may also stand in `.env`. */
  readonly driver?: string | undefined;
  /** Everything in containers, from the variant's Dockerfiles. */
  readonly containersOnly?: boolean;
}

/** Reads the env files and the Compose files of a variant. Throws one error that lists every problem in them. */
export async function loadStack(variant: Variant, options: LoadOptions): Promise<Stack> {
  const profiles = options.profiles ?? [];
  const { environment: written, problems } = readEnvironment(variant, options.processEnvironment);
  const isolated = isIsolated(variant, written);
  const given = isolated ? await withIsolatedPorts(variant, written, options.processEnvironment) : written;
  const keeper = options.home === undefined ? variant : { ...variant, root: options.home };
  let generated = readGenerated(keeper);
  for (;;) {
    const environment = { ...generated, ...given };
    const model = readModel(variant, environment, profiles, problems);
    if (problems.length > 0 || !model) throw configurationError(variant, problems);
    const more = await generateValues(model, given, generated);
    if (more === undefined) {
      const containersOnly = options.containersOnly ?? false;
      const driver = chooseDriver(variant, options, environment);
      const ports = await resolvePorts(model, variant);
      return { variant, model, driver, profiles, containersOnly, isolated, environment, ports };
    }
    generated = writeGenerated(keeper, more, generated); // and again: other values may be made from these
  }
}

/** As the person says, or as the stack was started that runs. */
function isIsolated({ stateDirectory }: Variant, environment: Readonly<Record<string, string>>): boolean {
  const { STACKYARD_ISOLATED: said } = environment;
  if (said) return said !== '0' && said !== 'false';
  return readLiveState(stateDirectory)?.isolated ?? false;
}

/** The checkout's own ports in place of those of `.env`, which is often copied; what the shell says stays. */
async function withIsolatedPorts(
  variant: Variant,
  environment: Readonly<Record<string, string>>,
  processEnvironment: LoadOptions['processEnvironment'],
): Promise<Readonly<Record<string, string>>> {
  const chosen = await isolatedPorts(variant).catch((error: unknown) => {
    if (error instanceof ComposeError) return {}; // said with all other problems of the files
    throw error;
  });
  const ports = Object.entries(chosen).filter(([name]) => !processEnvironment[name]);
  return { ...environment, ...Object.fromEntries(ports.map(([name, port]) => [name, String(port)])) };
}

/** What the person says, else how the stack runs at the moment, else `embedded`. */
function chooseDriver(
  variant: Variant,
  { driver, containersOnly }: LoadOptions,
  environment: Readonly<Record<string, string>>,
): string {
  if (containersOnly) {
    if (driver === undefined || driver === 'docker') return 'docker';
    throw new UsageError(`--build needs containers, and --driver ${driver} has none`, {
      hint: 'leave --driver out, or use --driver docker',
    });
  }
  return (
    driver ?? (environment.STACKYARD_DRIVER || readLiveState(variant.stateDirectory)?.driver || 'embedded')
  );
}

function readModel(
  variant: Variant,
  environment: Readonly<Record<string, string>>,
  profiles: readonly string[],
  problems: Problem[],
): ComposeModel | undefined {
  try {
    return loadCompose({
      files: variant.files,
      env: environment,
      envFiles: [], // read before, two of them
      projectDirectory: variant.root,
      projectName: normalizeProjectName(variant.name),
      ...(profiles.length > 0 ? { profiles } : {}),
    });
  } catch (error) {
    if (!(error instanceof ComposeError)) throw error;
    // A variable may only be missing because its env file could not be read.
    problems.push(
      ...error.problems.filter((p) => problems.length === 0 || p.code !== 'COMPOSE_VARIABLE_REQUIRED'),
    );
    return undefined;
  }
}

/** What this process and the env files of a variant set; files with problems are left out. */
export function readEnvironment(variant: Variant, processEnvironment: LoadOptions['processEnvironment']) {
  const given = Object.fromEntries(
    Object.entries(processEnvironment).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
  const problems: Problem[] = [];
  let fromFiles: Record<string, string> = {};
  for (const file of variant.envFiles) {
    try {
      const env = { ...fromFiles, ...given };
      fromFiles = { ...fromFiles, ...parseEnvFile(readFileSync(file, 'utf8'), { env, file }) };
    } catch (error) {
      problems.push(...(error instanceof ComposeError ? error.problems : [unreadable(file, error)]));
    }
  }
  return { environment: { ...fromFiles, ...given }, problems };
}

/** A folder in its place, or a file of somebody else. */
function unreadable(file: string, error: unknown): Problem {
  const { code } = error as NodeJS.ErrnoException;
  if (code === undefined) throw error;
  return {
    code: 'COMPOSE_FILE',
    message: `it cannot be read: ${code}`,
    hint: 'put a file in its place that this user may read',
    file,
  };
}

function configurationError(variant: Variant, problems: readonly Problem[]): StackyardError {
  const details = problems.flatMap((problem) => {
    const file = problem.file === undefined ? '' : path.relative(variant.root, problem.file);
    const place = [file, problem.line, problem.column]
      .filter((part) => part !== undefined && part !== '')
      .join(':');
    return [`${place ? `${place}: ` : ''}${problem.message}`, `  ${problem.hint} (${problem.code})`];
  });
  const count = problems.length === 1 ? 'a problem' : `${problems.length} problems`;
  return new StackyardError(
    'STACKYARD_CONFIGURATION',
    `${variant.name} has ${count} in its Compose or env files`,
    {
      details,
      hint: 'correct them, then run this again; nothing was started',
    },
  );
}

/** Host ports by service. A port that the files leave open, or 0, is the one of the running stack, else a free one. */
async function resolvePorts(model: ComposeModel, variant: Variant): Promise<Record<string, PortRecord[]>> {
  const ports: Record<string, PortRecord[]> = {};
  const previous = readState(variant.stateDirectory)?.services;
  for (const [name, service] of Object.entries(model.services)) {
    for (const { target, published, protocol } of service.ports ?? []) {
      if (protocol !== 'tcp') continue;
      const known = previous?.[name]?.ports?.find((port) => port.container === target)?.host;
      const host = Number.parseInt(published ?? '0', 10) || (known ?? (await choosePort()));
      ports[name] = [...(ports[name] ?? []), { container: target, host }];
    }
  }
  return ports;
}

/** For a command that works on what a stack has: without `--profile`, the profiles that it runs with. */
export function chooseProfiles(given: readonly string[] | undefined, variant: Variant): readonly string[] {
  return given ? splitProfiles(given) : (readLiveState(variant.stateDirectory)?.profiles ?? []);
}

/** `--profile` may be given several times, each with several names. */
export function splitProfiles(values: readonly string[]): string[] {
  const profiles = values.flatMap((value) => value.split(',')).map((value) => value.trim());
  if (profiles.includes(''))
    throw new UsageError('--profile needs a name', { hint: 'for example: --profile tools' });
  return profiles;
}
