import type { Driver } from '../driver.ts';
import { UsageError } from '../errors.ts';

const drivers: Readonly<Record<string, () => Promise<Driver>>> = {
  embedded: async () => (await import('./embedded/index.ts')).embedded,
  docker: async () => (await import('./docker/index.ts')).docker,
};

const driverNames: readonly string[] = Object.keys(drivers);

export async function loadDriver(name: string): Promise<Driver> {
  const load = Object.hasOwn(drivers, name) ? drivers[name] : undefined;
  if (load) return load();
  throw new UsageError(`there is no driver ${JSON.stringify(name)}`, {
    hint: `use one of ${driverNames.join(', ')}: with --driver, or STACKYARD_DRIVER in the environment or in .env`,
  });
}
