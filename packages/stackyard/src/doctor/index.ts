import { readFileSync } from 'node:fs';
import path from 'node:path';
import { parseEnvFile } from '@stackyard/compose';
import { describeVariant, type Workspace } from '../workspace.ts';
import { checkEnvFiles } from './env-files.ts';
import { checkEnvNames } from './env-names.ts';
import { checkMachine } from './machine.ts';
import { checkClock, checkDocker, checkPnpm } from './tools.ts';
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
  const settings = { ...readSettings(root), ...environment };
  const checks = [
    ...checkMachine(root),
    await checkPnpm(root, environment),
    await checkDocker(settings, settings.STACKYARD_DRIVER === 'docker'),
    checkClock(root),
  ];
  for (const name of workspace.variants) {
    checks.push(...(await checkVariant(describeVariant(workspace.root, name), environment)));
  }
  checks.push(...checkEnvFiles(workspace, environment), ...checkEnvNames(workspace));
  return checks;
}

/** What `.env` sets for every variant; a file that cannot be read has a check of its own. */
function readSettings(root: string): Readonly<Record<string, string | undefined>> {
  const file = path.join(root, '.env');
  try {
    return parseEnvFile(readFileSync(file, 'utf8'), { env: {}, file });
  } catch {
    return {};
  }
}
