import { existsSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import path from 'node:path';
import type { Stack } from '../driver.ts';
import { removeContainersFolder } from '../drivers/docker/stored-data.ts';
import { embeddedField, engineDirectory } from '../drivers/embedded/fields.ts';
import { mounts } from '../drivers/embedded/mounts.ts';
import type { LoadedStack } from '../load.ts';
import { relocate } from '../relocate.ts';
import { removeFolder } from '../remove-folder.ts';
import { realFolder } from './places.ts';
import { type Purpose, privateFolder, privateName, type Remove, removeAbandoned } from './private-folder.ts';

/** What runs a service, as the plan says it. */
export function asOf({ stack, driver }: LoadedStack, service: string): string {
  const placement = driver.place(service, stack.model.services[service]!);
  return placement.kind === 'run' ? placement.as : placement.kind;
}

/** A folder as the manifest names it: relative to the checkout. */
export function portable(folder: string, root: string, stateDirectory: string): string {
  const inside = path.relative(stateDirectory, folder);
  const name = inside.startsWith('..') ? path.relative(root, folder) : path.join('state', inside);
  return name.split(path.sep).join('/');
}

type CopyPurpose = 'check' | 'restore';

/** Where a check of copies keeps its state: several commands may be at it, and a restore takes a backup meanwhile. */
const checkDirectory = (stateDirectory: string, purpose: CopyPurpose): string =>
  privateName(path.join(stateDirectory, 'copies'), purpose);

/** Where the copy of a folder goes while it is checked: an engine's own files where that engine will look for them. */
export async function placeOfCopy(
  stack: Stack,
  service: string,
  folder: string,
  purpose: CopyPurpose,
  releases: AsyncDisposableStack,
): Promise<string> {
  const { stateDirectory } = stack.variant;
  if (folder !== engineDirectory(stateDirectory, service)) {
    const remove = removal(stack, service);
    const real = realFolder(folder);
    // What a restore was killed over is kept as long as nothing is in its place.
    const replaced: Purpose[] = existsSync(real) ? ['replaced'] : [];
    const of = path.basename(real);
    await removeAbandoned(path.dirname(real), ['check', 'restore', ...replaced], { of, remove });
    const beside = await privateFolder(real, purpose, releases, remove);
    if (isPostgresData(stack, service, folder)) {
      // Else a start would move all of it to where the server's user can enter.
      const { placeData } = await import('../engines/postgres/placement.ts');
      const { serverUser } = await import('../engines/postgres/server-user.ts');
      await placeData(beside, await serverUser(real));
    }
    return beside;
  }
  const place = engineDirectory(checkDirectory(stateDirectory, purpose), service);
  await rm(place, { recursive: true, force: true });
  await mkdir(place, { recursive: true }); // the user of its server has to enter it
  return place;
}

function isPostgresData(stack: Stack, name: string, folder: string): boolean {
  const service = stack.model.services[name]!;
  if (stack.driver !== 'embedded' || embeddedField(service)?.engine !== 'postgres') return false;
  return mounts(stack, service).some(
    ({ path: mount, target }) => mount === folder && target.startsWith('/var/lib/postgresql'),
  );
}

/** How folders of a service are removed, whoever owns what is in them. */
export function removal({ driver, model, environment }: Stack, service: string): Remove {
  if (driver !== 'docker') return removeFolder;
  return (folder) => removeContainersFolder(folder, model.services[service]?.image, environment);
}

/** The stack with a service on copies of its folders; the state of the check goes when `releases` are. */
export async function onCopies(
  stack: Stack,
  copies: ReadonlyMap<string, string>,
  purpose: CopyPurpose,
  releases: AsyncDisposableStack,
): Promise<Stack> {
  await removeAbandoned(stack.variant.stateDirectory, ['check', 'restore'], { of: 'copies' });
  const stateDirectory = checkDirectory(stack.variant.stateDirectory, purpose);
  await mkdir(stateDirectory, { recursive: true });
  releases.defer(() => rm(stateDirectory, { recursive: true, force: true }));
  return relocate(stack, {
    stateDirectory,
    folder: (folder) => copies.get(folder) ?? folder,
    // Nobody waits for the disk: the copy is thrown away, or waited for as a whole.
    postgresSettings: throwaway, // containers are told so too
  });
}

const throwaway = { fsync: 'off', full_page_writes: 'off', autovacuum: 'off', archive_mode: 'off' };
