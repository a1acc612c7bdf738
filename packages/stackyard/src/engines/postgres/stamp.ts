import { pbkdf2, randomBytes, timingSafeEqual } from 'node:crypto';
import { chown, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { ServerUser } from './server-user.ts';

const file = 'stackyard.json';

/** What a data directory was made with; kept inside it, so that it travels with the data. */
export interface Stamp {
  readonly engine: 'postgres';
  /** PostgreSQL's major version, the one that PG_VERSION holds. */
  readonly major: string;
  /** Superuser of the cluster. */
  readonly user: string;
  readonly database: string;
  /** Salt and hash of the superuser's password, in hexadecimal. */
  readonly salt: string;
  readonly fingerprint: string;
}

export async function makeStamp(
  made: Pick<Stamp, 'major' | 'user' | 'database'>,
  password: string,
): Promise<Stamp> {
  const salt = randomBytes(16).toString('hex');
  return { engine: 'postgres', ...made, salt, fingerprint: await fingerprint(password, salt) };
}

/** The stamp of a data directory; undefined where there is none, as after a container made the data. */
export async function readStamp(dataDirectory: string): Promise<Stamp | undefined> {
  const text = await readFile(join(dataDirectory, file), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  return text === undefined ? undefined : parse(text);
}

/** By hand: a schema library would take longer to load than PostgreSQL takes to start. */
function parse(text: string): Stamp {
  const stamp = JSON.parse(text) as Record<string, unknown> | null;
  const fields = ['major', 'user', 'database', 'salt', 'fingerprint'];
  const wrong = fields.filter((field) => typeof stamp?.[field] !== 'string');
  if (stamp?.engine !== 'postgres') wrong.unshift('engine');
  if (wrong.length > 0) throw new TypeError(`${file} lacks ${wrong.join(', ')}`);
  return stamp as unknown as Stamp;
}

export async function writeStamp(
  dataDirectory: string,
  stamp: Stamp,
  owner: ServerUser | undefined,
): Promise<void> {
  const part = join(dataDirectory, `${file}.part`);
  await writeFile(part, `${JSON.stringify(stamp, null, 2)}\n`, { mode: 0o600 });
  if (owner) await chown(part, owner.uid, owner.gid);
  await rename(part, join(dataDirectory, file));
}

export async function madeWith(stamp: Stamp, password: string): Promise<boolean> {
  const given = Buffer.from(await fingerprint(password, stamp.salt), 'hex');
  const kept = Buffer.from(stamp.fingerprint, 'hex');
  return given.length === kept.length && timingSafeEqual(given, kept);
}

/** As costly to guess from as the SCRAM verifier that PostgreSQL keeps in the same directory. */
async function fingerprint(password: string, salt: string): Promise<string> {
  const hash = await promisify(pbkdf2)(password, Buffer.from(salt, 'hex'), 4096, 32, 'sha256');
  return hash.toString('hex');
}
