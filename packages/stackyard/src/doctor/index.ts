import { describeVariant, type Workspace } from '../workspace.ts';
import { checkEnvNames } from './env-names.ts';
import { checkMachine } from './machine.ts';
import { checkVariant } from './variant.ts';

/** One line of `stackyard doctor`. */
export interface Check {
  /** What was looked at: `node`, `school-erp-ddl ports`. */
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
  const checks = checkMachine(workspace.root);
  for (const name of workspace.variants) {
    checks.push(...(await checkVariant(describeVariant(workspace.root, name), environment)));
  }
  checks.push(...checkEnvNames(workspace));
  return checks;
}
