import type { DriverContext, Stack } from '../driver.ts';
import { embeddedField } from '../drivers/embedded/fields.ts';
import { startService } from '../drivers/embedded/service.ts';
import { hostEnvironment } from '../host-environment.ts';
import type { Reporter } from '../reporter.ts';
import { Supervisor } from '../supervisor/supervisor.ts';
import { convexReader } from './check-convex.ts'; // only: convex
import { countRows } from './row-counts.ts';
import { dataMount, runsPostgres, ScratchContainer } from './scratch-container.ts';

/** Engines whose data prove themselves by a start; a `process` is any program, which may do more than open them. */
const startable = [
  'postgres',
  'pgvector', // only: pgvector
];

/** Engines whose copies are read: a start would run what is due in them a second time. */
const readers: Readonly<Record<string, CopyReader>> = {
  convex: convexReader, // only: convex
};

/** Whether the data of a service can be proven. */
export function canBeStarted(stack: Stack, service: string): boolean {
  if (stack.driver === 'docker')
    return runsPostgres(stack, service) && dataMount(stack, service) !== undefined;
  const { engine = '' } = embeddedField(stack.model.services[service]!) ?? {};
  return readers[engine]?.canRead(stack) ?? startable.includes(engine);
}

export interface CheckedCopy {
  readonly source: string;
  readonly rows?: Record<string, number>;
}

/** Proves the copy of a service's data without starting anything. */
export interface CopyReader {
  canRead(stack: Stack): boolean;
  read(stack: Stack, service: string, environment: Readonly<Record<string, string>>): Promise<CheckedCopy>;
}

/**
 * Starts a service on a copy of its data until it is healthy, counts its rows, and stops it.
 *
 * @param stack on the copies: see `relocate`
 */
export async function checkCopy(
  stack: Stack,
  service: string,
  reporter: Reporter,
  signal: AbortSignal,
): Promise<CheckedCopy> {
  if (stack.driver === 'docker') {
    reporter.progress(service, 'checking the copy in a container');
    await using scratch = await ScratchContainer.start(stack, service, signal, { keep: true });
    return { source: scratch.image, rows: await countRows(scratch.url) };
  }
  const reader = readers[embeddedField(stack.model.services[service]!)?.engine ?? ''];
  if (reader) return reader.read(stack, service, environmentOf(stack, service));
  using supervisor = new Supervisor();
  const context: DriverContext = {
    stack,
    services: [service],
    hostEnvironment: (name) => environmentOf(stack, name),
    spawn: (spec) => supervisor.spawn(spec),
    progress: (_, message) => reporter.progress(service, `checking the copy: ${message}`),
    signal,
  };
  const running = await startService(service, context);
  try {
    await running.healthy(signal);
    const isPostgres = running.url?.startsWith('postgresql:');
    return { source: running.source, ...(isPostgres && { rows: await countRows(running.url!) }) };
  } finally {
    await running.stop();
  }
}

function environmentOf(stack: Stack, service: string): Readonly<Record<string, string>> {
  const port = (name: string, container: number) =>
    stack.ports[name]?.find((record) => record.container === container)?.host;
  return hostEnvironment(stack.model, service, { runs: () => true, port }).values;
}
