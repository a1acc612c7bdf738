import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { EngineError } from '../engine-error.ts';
import type { ImageEnvironment } from './image-environment.ts';
import { madeWith, readStamp, type Stamp } from './stamp.ts';

/**
 * Checks that a data directory was made by this engine, for this major version and with these credentials.
 *
 * @returns its stamp, or undefined where there are no data yet.
 * @throws EngineError whose hint names the ways out.
 */
export async function checkExistingData(
  dataDirectory: string,
  major: string,
  wanted: Pick<ImageEnvironment, 'user' | 'password'>,
): Promise<Stamp | undefined> {
  const found = await readFile(join(dataDirectory, 'PG_VERSION'), 'utf8').catch(
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined;
      throw new EngineError(
        'ENGINE_DATA_OWNER',
        `The data in ${dataDirectory} cannot be read (${error.code}): another user made them, root most likely`,
        'Run this command as that user, or give the folder to yours: `sudo chown -R "$USER" <folder>`.',
        { cause: error },
      );
    },
  );
  if (found === undefined) return undefined;
  const made = found.trim();
  if (!/^\d+(\.\d+)?$/.test(made)) {
    throw new EngineError(
      'ENGINE_DATA_DAMAGED',
      `${join(dataDirectory, 'PG_VERSION')} names no version of PostgreSQL: the data are damaged`,
      waysOut('bring the folder back from a backup', 'dump the data elsewhere and load them after a reset'),
    );
  }
  if (made !== major) {
    throw new EngineError(
      'ENGINE_DATA_MAJOR',
      `The data in ${dataDirectory} were made by PostgreSQL ${made}; this is PostgreSQL ${major}`,
      waysOut(
        `go back to PostgreSQL ${made}`,
        `dump the data with PostgreSQL ${made} and load them after a reset`,
      ),
    );
  }
  const stamp = await readStamp(dataDirectory).catch((cause: unknown) => {
    throw new EngineError(
      'ENGINE_DATA_STAMP',
      `The stamp ${join(dataDirectory, 'stackyard.json')} cannot be read`,
      waysOut('bring the file back from a backup', 'dump the data elsewhere and load them after a reset'),
      { cause },
    );
  });
  if (!stamp) {
    throw new EngineError(
      'ENGINE_DATA_FOREIGN',
      `The data in ${dataDirectory} were not made by the embedded engine (by the container image, most likely): its ` +
        'text order may be another one, which breaks indexes',
      waysOut('run them with `--driver docker`', 'dump the data there and load them after a reset'),
    );
  }
  if (stamp.user !== wanted.user || !(await madeWith(stamp, wanted.password))) {
    const what =
      stamp.user === wanted.user
        ? 'another POSTGRES_PASSWORD'
        : `POSTGRES_USER=${stamp.user}, and now it is ${wanted.user}`;
    throw new EngineError(
      'ENGINE_DATA_CREDENTIALS',
      `The data in ${dataDirectory} were made with ${what}`,
      waysOut(
        'set the old value again in .env',
        'set the old value, dump the data, and load them after a reset',
      ),
    );
  }
  return stamp;
}

function waysOut(restore: string, migrate: string): string {
  return [
    'Three ways out:',
    `  restore  ${restore}`,
    `  migrate  ${migrate}`,
    '  reset    `stackyard reset --no-backup` deletes the data; copy their folder first if they matter',
  ].join('\n');
}
