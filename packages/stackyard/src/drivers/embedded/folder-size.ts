import { lstatSync, readdirSync } from 'node:fs';
import path from 'node:path';

/** Bytes of every file below a folder; what cannot be read counts nothing. */
export function folderSize(folder: string): number {
  let bytes = 0;
  try {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const file = path.join(folder, entry.name);
      bytes += entry.isDirectory() ? folderSize(file) : lstatSync(file).size;
    }
  } catch {
    // removed meanwhile, or another user's
  }
  return bytes;
}
