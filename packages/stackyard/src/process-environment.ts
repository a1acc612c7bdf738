import { UsageError } from './errors.ts';
import { hostEnvironment } from './host-environment.ts';
import type { LoadedStack } from './load.ts';
import { hostAddresses, type RunScript } from './plan.ts';

/** What one process of a stack gets from the Compose files. */
export interface ProcessVariables {
  /** The service or script that it is of. */
  readonly process: string;
  readonly services: readonly string[];
  readonly values: Readonly<Record<string, string>>;
  readonly unset: readonly { readonly name: string; readonly service: string }[];
}

/**
 * The variables of a process: `setup`, the name of a `dev:` script or of any service. Without a name those of
 * `setup`, else of the first script, else of the first service.
 */
export function processVariables({ stack, driver, plan }: LoadedStack, name?: string): ProcessVariables {
  const addresses = hostAddresses(stack, driver);
  const scripts = plan.operations.filter((operation): operation is RunScript => operation.kind === 'script');
  const services = Object.keys(stack.model.services);
  const script =
    name === undefined
      ? scripts[0]
      : scripts.find((operation) => [name, `dev:${name}`].includes(operation.script));
  const first = stack.model.services.setup ? 'setup' : services[0];
  const of = script?.environmentOf ?? services.filter((key) => key === (name ?? first));
  if (!script && of.length === 0) {
    const known = new Set([...scripts.map((operation) => operation.script), ...services]);
    throw new UsageError(`${stack.variant.name} has no process ${JSON.stringify(name)}`, {
      hint: `it has ${[...known].join(', ')}`,
    });
  }
  const resolved = of.map((service) => hostEnvironment(stack.model, service, addresses));
  const values = Object.assign({}, ...resolved.map((entry) => entry.values).reverse());
  return {
    process: script?.script ?? of[0]!,
    services: of,
    values,
    unset: resolved.flatMap((entry) => entry.unset),
  };
}
