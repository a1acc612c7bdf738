import type { Stack } from '../driver.ts';
import { StackyardError } from '../errors.ts';
import type { Plan } from '../plan.ts';
import { convexConfiguration, convexService } from './configuration.ts';

const ofIdentity = /^convex-(instance|admin-key)-?/;

/**
 * Refuses name, secret and admin key of a Convex that do not fit each other: whatever uses the key would fail later,
 * with less to say about it.
 */
export async function checkIdentity(stack: Stack, { operations }: Plan): Promise<void> {
  const backend = convexService(stack);
  const configuration = convexConfiguration(stack);
  if (!configuration || !operations.some((one) => one.kind === 'start' && one.service === backend)) return;
  const { checkConfiguration } = await import('@stackyard/convex-selfhost');
  const problems = checkConfiguration(configuration).filter(
    ({ id, severity }) => severity === 'error' && ofIdentity.test(id),
  );
  if (problems.length === 0) return;
  const { name } = stack.variant;
  throw new StackyardError(
    'STACKYARD_CONVEX_IDENTITY',
    `name, secret and admin key of the Convex of ${name} do not fit each other`,
    {
      details: problems.flatMap(({ message, fix }) => [message, `  ${fix}`]),
      hint: `correct them in .env, or take out there what Stackyard makes by itself; stackyard convex check-key ${name} looks again`,
    },
  );
}
