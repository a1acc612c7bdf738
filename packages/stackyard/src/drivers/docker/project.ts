import { createHash } from 'node:crypto';
import { normalizeProjectName } from '@stackyard/compose';
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

/** Removes the containers and networks of a project at once; volumes stay. Quiet about what is gone already. */
export async function removeProject(project: string, environment: DockerEnvironment): Promise<void> {
  const [containers, networks] = await Promise.all([
    docker(['ps', '--all', '--quiet', ...ofProject(project)], environment),
    docker(['network', 'ls', '--quiet', ...ofProject(project)], environment),
  ]);
  const ids = words(containers.stdout);
  if (ids.length > 0) await docker(['rm', '--force', ...ids], environment);
  const nets = words(networks.stdout);
  if (nets.length > 0) await docker(['network', 'rm', ...nets], environment);
}

const words = (text: string): string[] => text.split(/\s+/).filter(Boolean);
