import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { normalizeProjectName } from '@stackyard/compose';
import { StackyardError } from '../../errors.ts';
import { type DockerEnvironment, docker } from './command.ts';

export const projectLabel = 'com.docker.compose.project';
export const serviceLabel = 'com.docker.compose.service';
export const folderLabel = 'com.docker.compose.project.working_dir';

/** The Compose project of a stack: another one for each variant, and for each checkout on the machine. */
export function projectName(root: string, variant: string): string {
  const checkout = createHash('sha256').update(root).digest('hex').slice(0, 8);
  return `${normalizeProjectName(variant)}-${checkout}`;
}

const ofProject = (project: string): string[] => ['--filter', `label=${projectLabel}=${project}`];

/** Ids of a project's containers, by service. */
export async function listContainers(
  project: string,
  environment: DockerEnvironment,
): Promise<Map<string, string>> {
  const format = `{{.ID}} {{.Label "${serviceLabel}"}}`;
  const { stdout } = await docker(
    ['ps', '--all', '--no-trunc', ...ofProject(project), '--format', format],
    environment,
  );
  return new Map(
    stdout.split('\n').flatMap((line) => {
      const [id, service] = line.trim().split(' ');
      return id && service ? [[service, id] as const] : [];
    }),
  );
}

/** How often a removal is tried: what the engine is removing already, for somebody else, it refuses to remove. */
const removals = 50;

/**
 * Removes the containers and networks of a project at once; volumes stay. Quiet about what is gone already.
 *
 * @returns what keeps a network: containers of somebody else
 * @throws StackyardError when no engine answers
 */
export async function removeProject(
  project: string,
  environment: DockerEnvironment,
): Promise<StackyardError | undefined> {
  for (let tries = 0; tries < removals; tries += 1) {
    const [containers, networks] = await Promise.all([
      docker(['ps', '--all', '--quiet', ...ofProject(project)], environment),
      docker(['network', 'ls', '--quiet', ...ofProject(project)], environment),
    ]);
    if (containers.code !== 0) throw maybeLeft(project, containers.stderr);
    const ids = words(containers.stdout);
    const removed = ids.length === 0 || (await docker(['rm', '--force', ...ids], environment)).code === 0;
    const nets = words(networks.stdout);
    const gone = nets.length === 0 || (await docker(['network', 'rm', ...nets], environment)).code === 0;
    if (removed && gone) return undefined;
    const kept = ids.length === 0 ? await keptByGuests(nets, environment) : undefined;
    if (kept) return kept;
    await sleep(100);
  }
  return undefined;
}

/** A network that lost its own containers goes, unless others were connected to it by hand. */
async function keptByGuests(
  networks: readonly string[],
  environment: DockerEnvironment,
): Promise<StackyardError | undefined> {
  const format = '{{$network := .Name}}{{range .Containers}}{{$network}} {{.Name}}{{println}}{{end}}';
  const { stdout } = await docker(['network', 'inspect', '--format', format, ...networks], environment);
  const guests = stdout.split('\n').filter((line) => line.trim() !== '');
  const [first] = guests;
  if (first === undefined) return undefined;
  const name = first.split(' ')[0];
  return new StackyardError(
    'STACKYARD_NETWORK_KEPT',
    `the stack has stopped, but its network ${name} stays: containers that are not the stack's are on it`,
    {
      details: guests.map((line) => line.split(' ')[1] as string),
      hint: `take them off (docker network disconnect ${first}), then run stackyard down again; the next start uses the network as it is`,
    },
  );
}

function maybeLeft(project: string, said: string): StackyardError {
  return new StackyardError(
    'STACKYARD_DOCKER_DOWN',
    `no Docker engine answers: containers of ${project} may be left`,
    {
      details: said.trim().split('\n').slice(0, 3),
      hint: 'start it (sudo systemctl start docker, or Docker Desktop); the next start, or stackyard down, removes them',
    },
  );
}

const words = (text: string): string[] => text.split(/\s+/).filter(Boolean);
