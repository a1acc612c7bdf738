import { createHash, randomBytes } from 'node:crypto';
import {
  chmod,
  chown,
  cp,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  realpath,
  rename,
  rm,
  rmdir,
  symlink,
} from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';
import { EngineError } from '../engine-error.ts';
import { type Binaries, binariesIn, exists } from './binaries.ts';
import { run } from './run.ts';
import { firstUnreachable, type ServerUser } from './server-user.ts';

/**
 * Where root keeps what the server's user must reach, when the checkout lies below a folder that only its owner can
 * enter.
 */
const shelter = '/var/lib/stackyard';

/** The binaries where the server's user can run them: as installed, or else a copy under the shelter. */
export async function placeBinaries(
  installed: Binaries,
  user: ServerUser | undefined,
): Promise<{ binaries: Binaries; moved: boolean }> {
  if (!user) return { binaries: installed, moved: false };
  const folders = ['lib', 'share/postgresql'].map((folder) => join(installed.directory, folder));
  if ((await firstUnreachable(user, [installed.postgres, installed.initdb, ...folders])) === undefined) {
    return { binaries: installed, moved: false };
  }
  const home = join(shelter, 'binaries');
  const target = join(home, `postgresql-${installed.build}`);
  if (!(await exists(target))) {
    await openFolder(home);
    const workshop = await mkdtemp(join(home, '.copy-'));
    try {
      // Static libraries and headers serve only to compile against.
      const filter = (path: string) => extname(path) !== '.a' && basename(path) !== 'include';
      await cp(installed.directory, workshop, { recursive: true, verbatimSymlinks: true, filter });
      await run('/bin/chmod', ['-R', 'a+rX', workshop], { user: undefined, cwd: '/' });
      await rename(workshop, target).catch((error: NodeJS.ErrnoException) => {
        // Another process was first.
        if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
      });
    } finally {
      await rm(workshop, { recursive: true, force: true });
    }
  }
  return { binaries: binariesIn(target, installed.build), moved: true };
}

/**
 * The data directory behind the mount `mount`, where the server's user can reach it. What it cannot reach is placed
 * under the shelter, and a symbolic link at the mount leads there; the link is the only reference, so that whoever
 * moves or deletes the link decides about the data.
 */
export async function placeData(
  mount: string,
  user: ServerUser | undefined,
): Promise<{ dataDirectory: string; moved: boolean }> {
  const there = await lstat(mount).catch(() => undefined);
  if (there?.isSymbolicLink()) {
    const dataDirectory = await realpath(mount).catch((cause: unknown) => {
      throw new EngineError(
        'ENGINE_DATA_MISSING',
        `${mount} is a symbolic link that leads nowhere`,
        'Bring the folder it names back, or delete the link to start with an empty database.',
        { cause },
      );
    });
    return { dataDirectory, moved: dataDirectory.startsWith(`${shelter}/`) };
  }
  await mkdir(dirname(mount), { recursive: true });
  if (!user || !(await needsShelter(mount, user))) return { dataDirectory: mount, moved: false };
  const checkout = createHash('sha256').update(mount).digest('hex').slice(0, 16);
  const target = join(shelter, 'data', `${checkout}-${randomBytes(4).toString('hex')}`);
  await openFolder(dirname(target));
  if (there && (await readdir(mount)).length > 0) {
    await run('/bin/cp', ['-a', mount, target], { user: undefined, cwd: '/' });
    await rename(mount, `${mount}.moved`).catch(async (error: NodeJS.ErrnoException) => {
      await rm(target, { recursive: true });
      throw error.code === 'EBUSY' ? mounted(mount, error) : error;
    });
  } else {
    await rmdir(mount).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'EBUSY') throw mounted(mount, error);
      if (error.code !== 'ENOENT') throw error;
    });
    await mkdir(target, { mode: 0o700 });
    await chown(target, user.uid, user.gid);
  }
  await symlink(target, mount);
  return { dataDirectory: target, moved: true };
}

/** Whether the data of a mount are to lie in the shelter: the server's user cannot enter the folder it is in, or will be. */
async function needsShelter(mount: string, user: ServerUser | undefined): Promise<boolean> {
  let folder = dirname(mount);
  while (!(await exists(folder))) folder = dirname(folder);
  return user !== undefined && (await firstUnreachable(user, [folder])) !== undefined;
}

/** An existing folder on the disk where the data of a mount lie, or will when the server first starts. */
export async function diskOfData(mount: string, user: ServerUser | undefined): Promise<string> {
  let folder = (await needsShelter(mount, user)) && !(await isLink(mount)) ? shelter : mount;
  while (!(await exists(folder))) folder = dirname(folder);
  return folder;
}

const isLink = (path: string): Promise<boolean> =>
  lstat(path).then(
    (there) => there.isSymbolicLink(),
    () => false,
  );

/** Data are made beside their place, and get it whole: that cannot be where a disk begins. */
export function mounted(folder: string, cause: Error): EngineError {
  return new EngineError(
    'ENGINE_DATA_MOUNT',
    `${folder} is where a disk is mounted, and the data need a folder of their own`,
    `Mount the disk a folder higher: at ${dirname(folder)}.`,
    { cause },
  );
}

/** A folder that everybody can enter, whatever the umask says. */
async function openFolder(path: string): Promise<void> {
  const missing: string[] = [];
  for (let folder = path; !(await exists(folder)); folder = dirname(folder)) missing.unshift(folder);
  for (const folder of missing) {
    await mkdir(folder, { recursive: true });
    await chmod(folder, 0o755);
  }
}
