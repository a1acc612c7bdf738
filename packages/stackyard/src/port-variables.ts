import { findVariables } from '@stackyard/compose';
import type { Stack } from './driver.ts';
import { type BusyPort, findBusyPorts, type NeededPort } from './ports.ts';

/** The needed ports that are taken, each with the variable of the Compose files that moves it, where there is one. */
export async function findBusyPortsOf(stack: Stack, needed: readonly NeededPort[]): Promise<BusyPort[]> {
  const busy = await findBusyPorts(needed, stack.environment);
  if (busy.length === 0) return busy;
  const variables = findVariables(stack.variant.files, { projectDirectory: stack.variant.root });
  return busy.map((entry) => {
    const variable = variables.find(
      ({ name, default: fallback, references }) =>
        Number(stack.environment[name] || fallback) === entry.port &&
        references.some(({ path }) => path.startsWith(`services.${entry.service}.ports`)),
    );
    return variable ? { ...entry, variable: variable.name } : entry;
  });
}
