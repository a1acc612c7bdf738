import { existsSync } from 'node:fs';
import path from 'node:path';
import { StackyardError } from '../../errors.ts';
import { type DockerEnvironment, docker, runTool } from './command.ts';

/** How Compose is called on this machine. */
export interface ComposeTool {
  readonly program: string;
  readonly prefix: readonly string[];
  readonly version: string;
}

/** The versions of engine and tool, where both can be used. */
export interface DockerTools {
  readonly engine: string;
  readonly compose: ComposeTool;
}

/** Health conditions on dependencies, and files without `version`, came with these. */
const oldestEngine = '20.10';
const oldestCompose = '1.29';

/** Finds engine and Compose, or says in one error what is wrong and what to do. */
export async function findTools(environment: DockerEnvironment): Promise<DockerTools> {
  const { engine, compose } = await findToolsQuickly(environment);
  return { engine, compose: await withVersion(compose, environment) };
}

/** The same, without asking docker-compose for its version: starting it takes longer than all the rest. */
export async function findToolsQuickly(
  environment: DockerEnvironment,
): Promise<{ engine: string; compose: Omit<ComposeTool, 'version'> }> {
  const [engine, plugin] = await Promise.all([
    docker(['version', '--format', '{{.Server.Version}}'], environment, { timeoutMs: 15_000 }),
    docker(['compose', 'version', '--short'], environment, { timeoutMs: 15_000 }),
  ]);
  if (engine.missing) throw notInstalled();
  if (engine.code !== 0) throw engineError(engine.stderr, environment);
  const version = engine.stdout.trim();
  if (older(version, oldestEngine)) throw tooOld('the Docker engine', version, oldestEngine);
  if (plugin.code === 0) return { engine: version, compose: { program: 'docker', prefix: ['compose'] } };
  if (!isOnPath('docker-compose', environment)) throw noCompose();
  return { engine: version, compose: { program: 'docker-compose', prefix: [] } };
}

/** Whether there is an engine to ask. */
export async function engineAnswers(environment: DockerEnvironment): Promise<boolean> {
  return (await docker(['version'], environment, { timeoutMs: 15_000 })).code === 0;
}

/** Asks Compose for its version; refuses one that is too old. */
export async function withVersion(
  tool: Omit<ComposeTool, 'version'>,
  environment: DockerEnvironment,
): Promise<ComposeTool> {
  const answer = await runTool(tool.program, [...tool.prefix, 'version', '--short'], environment, {});
  if (answer.code !== 0) throw noCompose();
  const version = answer.stdout.trim().replace(/^v/, '');
  if (older(version, oldestCompose)) throw tooOld(tool.program, version, oldestCompose);
  return { ...tool, version };
}

function isOnPath(program: string, { PATH = '' }: DockerEnvironment): boolean {
  return PATH.split(path.delimiter).some((folder) => folder !== '' && existsSync(path.join(folder, program)));
}

/** Whether the version comes before `minimum`; only as many numbers count as the minimum has. */
export function older(version: string, minimum: string): boolean {
  const [have, need] = [version, minimum].map((text) =>
    text.split('.').map((part) => Number.parseInt(part, 10)),
  );
  for (const [index, number] of need!.entries()) {
    const part = have![index] ?? 0;
    if (part !== number) return part < number;
  }
  return false;
}

const orEmbedded = 'or use the driver that needs no Docker: --driver embedded';

function notInstalled(): StackyardError {
  return new StackyardError(
    'STACKYARD_DOCKER_MISSING',
    'Docker is not installed: there is no docker on the PATH',
    {
      hint: `install it (Debian and Ubuntu: sudo apt-get install docker.io docker-compose), ${orEmbedded}`,
    },
  );
}

function noCompose(): StackyardError {
  return new StackyardError(
    'STACKYARD_DOCKER_MISSING',
    'Docker is here, but neither "docker compose" nor docker-compose',
    {
      hint: `install the Compose plugin, or Debian's docker-compose (sudo apt-get install docker-compose), ${orEmbedded}`,
    },
  );
}

function tooOld(what: string, version: string, oldest: string): StackyardError {
  return new StackyardError('STACKYARD_DOCKER_OLD', `${what} is ${version}; ${oldest} or later is needed`, {
    hint: `update it, ${orEmbedded}`,
  });
}

/** What the client says when the engine does not answer, in words of this package. */
export function engineError(stderr: string, environment: DockerEnvironment): StackyardError {
  const said = stderr.trim().split('\n').slice(0, 3);
  const at = environment.DOCKER_HOST ? ` at ${environment.DOCKER_HOST}` : '';
  if (/permission denied/i.test(stderr)) {
    return new StackyardError('STACKYARD_DOCKER_PERMISSION', `this user may not use the Docker engine${at}`, {
      details: said,
      hint: `join its group (sudo usermod -aG docker "$USER", then log in again), ${orEmbedded}`,
    });
  }
  if (/too old|client version|API version/i.test(stderr)) {
    return new StackyardError(
      'STACKYARD_DOCKER_OLD',
      'the Docker client and engine do not understand each other',
      {
        details: said,
        hint: `bring both to ${oldestEngine} or later, ${orEmbedded}`,
      },
    );
  }
  return new StackyardError('STACKYARD_DOCKER_DOWN', `no Docker engine answers${at}`, {
    details: said,
    hint: `start it (sudo systemctl start docker, or Docker Desktop), ${orEmbedded}`,
  });
}
