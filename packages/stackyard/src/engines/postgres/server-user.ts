import { execFile } from 'node:child_process';
import { readFile, stat } from 'node:fs/promises';
import { EngineError } from '../engine-error.ts';
import { run } from './run.ts';

/** The user PostgreSQL runs as, where it is not the current one. */
export interface ServerUser {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

/**
 * PostgreSQL refuses to run as root. Root therefore runs it as the owner of the data, where there are some, and else
 * as `postgres`, or as `nobody` where that user does not exist (initdb needs an entry in the passwd file). Everybody
 * else runs it as themselves: `undefined`.
 */
export async function serverUser(dataDirectory?: string): Promise<ServerUser | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const entries = (await readFile('/etc/passwd', 'utf8')).split('\n').map((line) => line.split(':'));
  const made = dataDirectory && (await stat(`${dataDirectory}/PG_VERSION`).catch(() => undefined));
  if (made && made.uid !== 0) {
    const entry = entries.find(([, , uid]) => Number(uid) === made.uid);
    return { name: entry?.[0] ?? `user ${made.uid}`, uid: made.uid, gid: made.gid };
  }
  for (const candidate of ['postgres', '_postgres', 'nobody']) {
    const entry = entries.find(([name]) => name === candidate);
    if (entry) return { name: candidate, uid: Number(entry[2]), gid: Number(entry[3]) };
  }
  throw new EngineError(
    'ENGINE_NO_SERVER_USER',
    'PostgreSQL does not run as root, and there is neither a user `postgres` nor `nobody` to run it as',
    'Create one (`useradd --system postgres`), or run this command as an ordinary user.',
  );
}

/**
 * The first of `paths` that `user` cannot enter (a folder) or execute (a file); undefined when all can be reached.
 * It tries as that user, so that groups, access lists and mount options count.
 */
export async function firstUnreachable(
  user: ServerUser,
  paths: readonly string[],
): Promise<string | undefined> {
  const script = 'for path do test -x "$path" || { printf %s "$path"; exit 0; }; done';
  return new Promise((resolve, reject) => {
    const options = { uid: user.uid, gid: user.gid, cwd: '/', env: {} };
    execFile('/bin/sh', ['-c', script, 'sh', ...paths], options, (error, stdout) => {
      if (error) reject(error);
      else resolve(stdout === '' ? undefined : stdout);
    });
  });
}

/** Gives data that root owns, as after a `chown -R` of the checkout, to the server's user. */
export async function takeOwnership(dataDirectory: string, user: ServerUser | undefined): Promise<void> {
  if (!user) return;
  const owners = await Promise.all(
    ['', 'PG_VERSION', 'global/pg_control'].map((path) => stat(`${dataDirectory}/${path}`)),
  );
  if (owners.every(({ uid }) => uid === user.uid)) return;
  await run('chown', ['-R', `${user.uid}:${user.gid}`, dataDirectory], { user: undefined, cwd: '/' });
}
