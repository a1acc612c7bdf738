import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface TemporaryFolder extends AsyncDisposable {
  readonly path: string;
}

/** A folder of this process, removed at disposal. Those of processes that were killed are removed first. */
export async function openTemporaryFolder(parent: string = tmpdir()): Promise<TemporaryFolder> {
  for (const name of await readdir(parent)) {
    const pid = /^ingestion-(\d+)-/.exec(name)?.[1];
    // One that another user left in a shared folder stays.
    if (pid !== undefined && !isAlive(Number(pid))) await remove(join(parent, name)).catch(() => {});
  }
  const path = await mkdtemp(join(parent, `ingestion-${process.pid}-`));
  return { path, [Symbol.asyncDispose]: () => remove(path) };
}

const remove = (path: string) => rm(path, { recursive: true, force: true, maxRetries: 3 });

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
