import { readEnvironment } from '../configuration.ts';
import { describeVariant, type Workspace } from '../workspace.ts';
import { checkEnvFiles } from './env-files.ts';
import { checkEnvNames } from './env-names.ts';
import { checkMachine } from './machine.ts';
import { checkClock, checkDocker, checkPnpm, type DockerEngine } from './tools.ts';
import { checkVariant } from './variant.ts';

/** One line of `stackyard doctor`. */
export interface Check {
  /** What was looked at: `node`, `shop ports`. */
  readonly subject: string;
  readonly result: 'ok' | 'warning' | 'failure';
  readonly message: string;
  /** What to do about it. */
  readonly fix?: string;
}

/** Every check, in the order in which they are shown. */
export async function checkup(
  workspace: Workspace,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<Check[]> {
  const { root } = workspace;
  const checks = [
    ...checkMachine(root),
    await checkPnpm(root, environment),
    ...(await Promise.all(engines(workspace, environment).map(checkDocker))),
    checkClock(root),
  ];
  for (const name of workspace.variants) {
    checks.push(...(await checkVariant(describeVariant(workspace.root, name), environment)));
  }
  checks.push(...checkEnvFiles(workspace, environment), ...checkEnvNames(workspace));
  return checks;
}

/** The Docker engines that the variants name: mostly one, but their env files may say otherwise. */
function engines(
  { root, variants }: Workspace,
  environment: Readonly<Record<string, string | undefined>>,
): DockerEngine[] {
  const found = new Map<string, DockerEngine>();
  for (const name of variants) {
    const { environment: settings } = readEnvironment(describeVariant(root, name), environment);
    const place = JSON.stringify([settings.DOCKER_HOST, settings.DOCKER_CONTEXT]);
    const known = found.get(place);
    const needed = settings.STACKYARD_DRIVER === 'docker' || (known?.needed ?? false);
    const subject = known?.subject ?? (found.size === 0 ? 'docker' : `${name} docker`);
    found.set(place, { subject, environment: settings, needed });
  }
  return found.size > 0 ? [...found.values()] : [{ subject: 'docker', environment, needed: false }];
}
