import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { expect, test } from 'vitest';
import { openTemporaryFolder } from './temporary-folder.ts';

test('what killed workers left is removed, what living ones and others have is not', async () => {
  await using stack = new AsyncDisposableStack();
  const parent = await mkdtemp(join(tmpdir(), 'temporary test-'));
  stack.defer(() => rm(parent, { recursive: true, force: true }));
  const gone = spawn(process.execPath, ['-e', '']);
  await once(gone, 'exit');
  await mkdir(join(parent, `ingestion-${gone.pid}-x`, 'ingest-document'), { recursive: true });
  await mkdir(join(parent, `ingestion-${process.ppid}-x`));
  await mkdir(join(parent, 'other'));
  {
    await using own = await openTemporaryFolder(parent);
    expect((await readdir(parent)).toSorted()).toEqual(
      [`ingestion-${process.ppid}-x`, basename(own.path), 'other'].toSorted(),
    );
  }
  expect((await readdir(parent)).toSorted()).toEqual([`ingestion-${process.ppid}-x`, 'other'].toSorted());
});
