import type { Dependency } from '@stackyard/compose';
import { locate, startOrder } from '@stackyard/compose';
import type { Driver, Stack } from './driver.ts';
import { StackyardError } from './errors.ts';
import { healthTimeout } from './health-timeout.ts';
import { type HostAddresses, hostEnvironment } from './host-environment.ts';
import type { NeededPort } from './ports.ts';
import { formatDuration } from './units.ts';

/** One step of a start, as data. The text form of each is {@link describeOperation}. */
export type Operation = CheckPorts | StartService | SkipService | RunScript;

export interface CheckPorts {
  readonly kind: 'check-ports';
  readonly ports: readonly NeededPort[];
  readonly reason: string;
}

export interface StartService {
  readonly kind: 'start';
  readonly service: string;
  /** What runs it: `engine postgres`. */
  readonly as: string;
  /** Services that must have come this far first. */
  readonly after: readonly { readonly service: string; readonly condition: Dependency['condition'] }[];
  /** The service does its work and ends: others wait for that. */
  readonly completes: boolean;
  readonly healthTimeoutMs: number;
  readonly reason: string;
}

export interface SkipService {
  readonly kind: 'skip';
  readonly service: string;
  readonly reason: string;
}

/** A script of the variant's `package.json`. */
export interface RunScript {
  readonly kind: 'script';
  /** `setup` or `dev:<name>` */
  readonly script: string;
  /** The Compose services whose environment it gets: one, or for `setup` several. */
  readonly environmentOf: readonly string[];
  /** Variables left out because they point at a service that does not run. */
  readonly unset: readonly { readonly name: string; readonly service: string }[];
  readonly reason: string;
}

export interface Plan {
  readonly operations: readonly Operation[];
}

/** Which Compose service the script `dev:<name>` stands for, and the scripts that there are. */
export function scriptNames(scripts: Readonly<Record<string, string>>): { setup: boolean; dev: string[] } {
  return {
    setup: 'setup' in scripts,
    dev: Object.keys(scripts).flatMap((script) =>
      script.startsWith('dev:') ? [script.slice('dev:'.length)] : [],
    ),
  };
}

/** The scripts that a start runs on the host. */
function stackScripts({ variant, containersOnly }: Stack): { setup: boolean; dev: string[] } {
  return containersOnly ? { setup: false, dev: [] } : scriptNames(variant.scripts);
}

/** Everything that a start would do, in order. Pure; throws one error that lists every problem of the files. */
export function planStack(stack: Stack, driver: Driver): Plan {
  const { model, variant } = stack;
  const { setup, dev } = stackScripts(stack);
  const starts: StartService[] = [];
  const skips: SkipService[] = [];
  const refused: string[] = [];
  const order = startOrder(model).flat();
  const ownScript = (name: string) => dev.includes(name) || (setup && name === 'setup');
  // What a script stands for is not the driver's to run: on the host it would take the same ports.
  const placements = new Map(
    order.filter((name) => !ownScript(name)).map((name) => [name, driver.place(name, model.services[name]!)]),
  );
  const runs = (name: string) => placements.get(name)?.kind === 'run';
  const completes = new Set(
    Object.values(model.services).flatMap((service) =>
      Object.entries(service.depends_on ?? {})
        .filter(([, dependency]) => dependency.condition === 'service_completed_successfully')
        .map(([name]) => name),
    ),
  );
  for (const [name, placement] of placements) {
    const service = model.services[name]!;
    if (placement.kind === 'refuse') {
      const place = locate(model, ['services', name, 'x-embedded', 'engine']);
      refused.push(`${place ? `${place.file}:${place.line}: ` : ''}service ${name}: ${placement.reason}`);
    }
    if (placement.kind === 'skip') {
      skips.push({ kind: 'skip', service: name, reason: placement.reason });
    }
    if (placement.kind !== 'run') continue;
    const dependencies = Object.entries(service.depends_on ?? {}).filter(([dependency]) => runs(dependency));
    starts.push({
      kind: 'start',
      service: name,
      as: placement.as,
      after: dependencies.map(([dependency, { condition }]) => ({ service: dependency, condition })),
      completes: completes.has(name),
      healthTimeoutMs: healthTimeout(service),
      reason: neededBy(name, stack),
    });
  }
  if (refused.length > 0) {
    throw new StackyardError('STACKYARD_PLAN', `${variant.name} cannot run as its Compose files say`, {
      details: refused,
      hint: `correct ${variant.files.join(' or ')}`,
    });
  }
  const scripts = planScripts(stack, hostAddresses(stack, driver));
  const ports = neededPorts(stack, [...starts.map((start) => start.service), ...dev]);
  const check: CheckPorts[] = ports.length
    ? [{ kind: 'check-ports', ports, reason: 'a start with a busy port would stop half-way' }]
    : [];
  return { operations: [...check, ...starts, ...skips, ...scripts] };
}

/** Where processes of this machine reach the services: those the driver runs and those that `dev:` scripts stand for. */
export function hostAddresses(stack: Stack, driver: Driver): HostAddresses {
  const { dev } = stackScripts(stack);
  const runs = (name: string): boolean => {
    const service = stack.model.services[name];
    return service !== undefined && (dev.includes(name) || driver.place(name, service).kind === 'run');
  };
  return {
    runs,
    port: (name, container) => stack.ports[name]?.find((port) => port.container === container)?.host,
  };
}

function planScripts(stack: Stack, addresses: HostAddresses): RunScript[] {
  const { setup, dev } = stackScripts(stack);
  const scripts: RunScript[] = [];
  const unsetOf = (services: readonly string[]) => {
    const all = services.flatMap((service) => hostEnvironment(stack.model, service, addresses).unset);
    return all.filter((entry, index) => all.findIndex((other) => other.name === entry.name) === index);
  };
  if (setup) {
    const environmentOf = setupServices(stack, dev);
    scripts.push({
      kind: 'script',
      script: 'setup',
      environmentOf,
      unset: unsetOf(environmentOf),
      reason: 'package.json has it, and the services are healthy',
    });
  }
  for (const name of dev) {
    const own = stack.model.services[name] !== undefined;
    const environmentOf = own ? [name] : setupServices(stack, dev);
    const reason = own
      ? `package.json has it, for the service ${name}`
      : `package.json has it; the Compose files have no service ${name}, so it gets what setup gets`;
    scripts.push({
      kind: 'script',
      script: `dev:${name}`,
      environmentOf,
      unset: unsetOf(environmentOf),
      reason,
    });
  }
  return scripts;
}

/**
 * The services whose environment the script `setup`, and a `dev:` script without a service of its own, gets: the service of that name, else all that have a `dev:`
 * script (of a variable that differs between them, the first one's value).
 */
function setupServices({ model }: Stack, dev: readonly string[]): string[] {
  if (model.services.setup) return ['setup'];
  return Object.keys(model.services).filter((name) => dev.includes(name));
}

function neededBy(name: string, { model }: Stack): string {
  const dependents = Object.entries(model.services).filter(([, service]) => service.depends_on?.[name]);
  return dependents.length
    ? `${dependents.map(([key]) => key).join(', ')} needs it`
    : 'the Compose files have it';
}

function neededPorts(stack: Stack, services: readonly string[]): NeededPort[] {
  return services.flatMap((service) =>
    (stack.ports[service] ?? []).map(({ host }) => ({ service, host: '127.0.0.1', port: host })),
  );
}

/** The text form of an operation: what, and after the colon why. */
export function describeOperation(operation: Operation): string {
  switch (operation.kind) {
    case 'check-ports': {
      const ports = operation.ports.map((port) => `${port.host}:${port.port} (${port.service})`);
      return `check that nobody holds ${ports.join(', ')}: ${operation.reason}`;
    }
    case 'start': {
      const after = operation.after.map(
        ({ service, condition }) => `${service} ${afterCondition[condition]}`,
      );
      const gate = after.length ? `once ${after.join(' and ')}, ` : '';
      const limit = formatDuration(operation.healthTimeoutMs);
      return `${gate}start ${operation.service} with ${operation.as}, healthy within ${limit}: ${operation.reason}`;
    }
    case 'skip':
      return `leave out ${operation.service}: ${operation.reason}`;
    case 'script': {
      const environment = operation.environmentOf.length
        ? ` with the environment of ${operation.environmentOf.join(', ')}`
        : '';
      const unset = operation.unset.map(({ name, service }) => `${name} (${service} does not run)`);
      const without = unset.length ? `, without ${unset.join(', ')}` : '';
      return `run the script ${operation.script}${environment}${without}: ${operation.reason}`;
    }
  }
}

const afterCondition: Readonly<Record<Dependency['condition'], string>> = {
  service_started: 'has started',
  service_healthy: 'is healthy',
  service_completed_successfully: 'has completed',
};
