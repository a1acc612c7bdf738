import type { Stack } from '../../driver.ts';
import { StackyardError } from '../../errors.ts';
import { docker } from './command.ts';
import { projectLabel } from './project.ts';
import { storage } from './stored-data.ts';

/**
 * Refuses when a container works with the data of a stack that is down: one that Compose itself has started. A second
 * PostgreSQL does not see the first through the wall of a container, and ruins what both write.
 */
export async function refuseDataInUse(stack: Stack): Promise<void> {
  const folders = Object.keys(stack.model.services).flatMap((service) =>
    storage(stack, service).flatMap(({ folder }) => folder ?? []),
  );
  if (folders.length === 0) return;
  const filters = folders.flatMap((folder) => ['--filter', `volume=${folder}`]);
  const format = `{{.Names}} {{.Label "${projectLabel}"}}`;
  const { stdout } = await docker(['ps', ...filters, '--format', format], stack.environment);
  const users = stdout.split('\n').filter(Boolean);
  if (users.length === 0) return;
  const containers = users.map((line) => line.split(' ') as [string, string]);
  throw new StackyardError(
    'STACKYARD_DATA_IN_USE',
    `containers that Stackyard did not start work with the data of ${stack.variant.name}`,
    {
      details: containers.map(
        ([name, project]) => `${name}${project ? ` (Compose project ${project})` : ''}`,
      ),
      hint: `stop them: docker stop ${containers.map(([name]) => name).join(' ')}; nothing was changed`,
    },
  );
}
