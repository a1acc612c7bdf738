import { readdirSync } from 'node:fs';
import path from 'node:path';
import type { StackReference } from '../../port-owner.ts';
import { readState } from '../../state.ts';
import { describeVariant } from '../../workspace.ts';
import { type DockerEnvironment, docker, toolBasics } from './command.ts';
import { folderLabel, projectLabel, projectName, serviceLabel } from './project.ts';

/** A container that publishes a port of this machine. */
export interface ContainerOwner {
  readonly name: string;
  /** Its Compose project. */
  readonly project?: string;
  /** The Stackyard stack that it is of. */
  readonly stack?: StackReference;
}

/** Commands of the processes that hold the ports of containers. */
const proxies = /docker-proxy|com\.docker|rootlesskit|vpnkit|containers-rootlessport/;

export const mayBeContainer = (command: string | undefined): boolean =>
  command === undefined || proxies.test(command);

/** The container that publishes a port; undefined when none does, or when there is no engine to ask. */
export async function findContainerOwner(
  port: number,
  environment: DockerEnvironment,
): Promise<ContainerOwner | undefined> {
  const label = (name: string) => `{{.Label "${name}"}}`;
  const format = ['{{.Names}}', label(projectLabel), label(serviceLabel), label(folderLabel)].join('\t');
  const { code, stdout } = await docker(
    ['ps', '--filter', `publish=${port}`, '--format', format],
    toolBasics(environment),
    { timeoutMs: 3000 },
  );
  const [name, project, service, folder] = stdout.split('\n')[0]?.split('\t') ?? [];
  if (code !== 0 || !name) return undefined;
  const stack = project && folder ? stackOf(project, folder, port) : undefined;
  return {
    name,
    ...(project ? { project } : {}),
    ...(stack ? { stack: { ...stack, ...(service ? { service } : {}) } } : {}),
  };
}

function stackOf(project: string, root: string, port: number): StackReference | undefined {
  try {
    const variant = readdirSync(path.join(root, 'apps')).find((name) => projectName(root, name) === project);
    const state =
      variant === undefined ? undefined : readState(describeVariant(root, variant).stateDirectory);
    // Where its state is lost, "stackyard down" knows nothing of the container.
    const ports = Object.values(state?.services ?? {}).flatMap((service) => service.ports ?? []);
    return state && ports.some(({ host }) => host === port) ? { root, variant: state.variant } : undefined;
  } catch {
    return undefined; // no checkout of this kind
  }
}
