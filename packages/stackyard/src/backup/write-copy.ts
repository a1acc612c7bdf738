import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { FolderCopyOptions } from './folder-copy.ts';
import type { FileRecord } from './manifest.ts';

/** Adds a file that is in memory to the archive, and to the second copy. */
export async function writeCopy(options: FolderCopyOptions, name: string, text: string): Promise<FileRecord> {
  const { archive, prefix, index, copy } = options;
  const written = await archive.addText(path.posix.join(prefix, name), text);
  if (copy) await writeFile(path.join(copy, name), text, { mode: 0o600 });
  return { folder: index, path: name, mode: 0o600, ...written };
}
