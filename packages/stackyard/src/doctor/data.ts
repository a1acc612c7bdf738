import { existsSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import type { Stack } from '../driver.ts';
import { embeddedField } from '../drivers/embedded/fields.ts';
import { mounts } from '../drivers/embedded/mounts.ts';
import { describeError } from '../errors.ts';
import { hostEnvironment } from '../host-environment.ts';
import type { LoadedStack } from '../load.ts';
import { hostAddresses } from '../plan.ts';
import { formatBytes } from '../units.ts';
import type { Check } from './index.ts';
import { checkDisk } from './machine.ts';

/** What the services have stored, and whether what runs them would take it. */
export async function checkData(loaded: LoadedStack): Promise<Check[]> {
  const { stack, driver } = loaded;
  const checks: Check[] = [];
  for (const data of driver.data(stack)) {
    const subject = `${stack.variant.name} data`;
    try {
      const bytes = data.size();
      if (bytes === undefined) continue;
      const message = `${data.label}: ${[formatBytes(bytes), made(data.folder)].filter(Boolean).join(', ')}`;
      if (data.folder && stack.driver === 'embedded') await verify(loaded, data.service, data.folder);
      checks.push({ subject, result: 'ok', message });
    } catch (error) {
      const report = describeError(error);
      checks.push({
        subject,
        result: 'failure',
        message: report.message,
        ...(report.hint === undefined ? {} : { fix: report.hint }),
      });
    }
  }
  if (stack.driver === 'docker') checks.push(...(await checkContainerData(stack)));
  return [...checks, ...(await checkDisks(loaded))];
}

/** The disks that data lie on, or will, where they are not that of the checkout. */
async function checkDisks({ stack, driver }: LoadedStack): Promise<Check[]> {
  const { root, name } = stack.variant;
  const seen = new Set([statSync(root).dev]);
  const checks: Check[] = [];
  for (const { folder, service } of driver.data(stack)) {
    if (folder === undefined) continue;
    const place = await diskOf(stack, service, folder);
    const { dev } = statSync(place);
    if (seen.has(dev)) continue;
    seen.add(dev);
    const check = checkDisk(`${name} disk`, place);
    const where = path.relative(root, place).startsWith('..') ? ` (in ${place})` : '';
    checks.push({ ...check, message: `${path.relative(root, folder)}${where}: ${check.message}` });
  }
  return checks;
}

/** An existing folder on the disk of a service's data. */
async function diskOf(stack: Stack, service: string, folder: string): Promise<string> {
  if (stack.driver === 'embedded' && embeddedField(stack.model.services[service]!)?.engine === 'postgres') {
    const [{ diskOfData }, { serverUser }] = await Promise.all([
      import('../engines/postgres/placement.ts'),
      import('../engines/postgres/server-user.ts'),
    ]);
    return diskOfData(folder, await serverUser(folder));
  }
  let place = folder;
  while (!existsSync(place)) place = path.dirname(place);
  return place;
}

/** What made a folder, as its stamp or PostgreSQL's own file says. */
function made(folder: string | undefined): string | undefined {
  const file = folder && path.join(folder, 'PG_VERSION');
  if (!file || !existsSync(file)) return undefined;
  const version = readFileSync(file, 'utf8').trim();
  return /^[\d.]+$/.test(version) ? `PostgreSQL ${version}` : undefined;
}

/** Asks the engine's own checks of the stamp; throws what a start would. */
async function verify({ stack, driver }: LoadedStack, service: string, folder: string): Promise<void> {
  const definition = stack.model.services[service]!;
  const engine = embeddedField(definition)?.engine;
  const folders = mounts(stack, definition);
  if (!folders.some((mount) => mount.path === folder && mount.target.startsWith('/var/lib/postgresql')))
    return;
  const environment = hostEnvironment(stack.model, service, hostAddresses(stack, driver)).values;
  if (engine === 'postgres') {
    const [{ findBinaries }, { checkExistingData }, { readImageEnvironment }] = await Promise.all([
      import('../engines/postgres/binaries.ts'),
      import('../engines/postgres/existing-data.ts'),
      import('../engines/postgres/image-environment.ts'),
    ]);
    const mount = (target: string) => folders.find((entry) => entry.target === target)?.path;
    const wanted = await readImageEnvironment({ serviceName: service, environment, mount });
    await checkExistingData(folder, (await findBinaries()).version.split('.', 1)[0]!, wanted);
  }
  // only: pgvector
  if (engine === 'pgvector') {
    const { inspect, POSTGRES_MAJOR } = await import('../engines/pgvector/data-directory.ts');
    const user = environment.POSTGRES_USER || 'postgres';
    const database = environment.POSTGRES_DB || user;
    await inspect(folder, { engine: 'pgvector', postgres: POSTGRES_MAJOR, user, database });
  }
  // /only
}

async function checkContainerData(stack: Stack): Promise<Check[]> {
  const { refuseForeignData } = await import('../drivers/docker/existing-data.ts');
  try {
    await refuseForeignData(stack, Object.keys(stack.model.services));
    return [];
  } catch (error) {
    const { message, details, hint } = describeError(error);
    const fix = hint === undefined ? {} : { fix: hint };
    const text = [message, ...details].join('\n');
    return [{ subject: `${stack.variant.name} data`, result: 'failure', message: text, ...fix }];
  }
}
