import type { Service } from '@stackyard/compose';
import type { Driver, Placement } from '../../driver.ts';
import { describeVariant } from '../../workspace.ts';
import { toolBasics } from './command.ts';
import { projectName, removeProject } from './project.ts';
import { storedData } from './stored-data.ts';
import { endWatchdog } from './watchdog.ts';

/** Runs services as containers: hands the Compose files to Compose, and follows what the engine tells. */
export const docker: Driver = {
  name: 'docker',
  place,
  open: async (context) => (await import('./session.ts')).openSession(context),
  async recover({ root, variant }, environment) {
    endWatchdog(describeVariant(root, variant).stateDirectory);
    return removeProject(projectName(root, variant), toolBasics(environment));
  },
  data: storedData,
};

function place(_name: string, service: Service): Placement {
  const replicas = (service.deploy as { replicas?: unknown } | undefined)?.replicas ?? service.scale ?? 1;
  if (Number(replicas) > 1) {
    return { kind: 'refuse', reason: `it wants ${replicas} replicas; a development stack runs one of each` };
  }
  if (Number(replicas) === 0) return { kind: 'skip', reason: 'the Compose files want no container of it' };
  if (service.image !== undefined) return { kind: 'run', as: `image ${service.image}` };
  if (service.build !== undefined) return { kind: 'run', as: 'an image built from its Dockerfile' };
  return { kind: 'refuse', reason: 'it has neither image nor build' };
}
