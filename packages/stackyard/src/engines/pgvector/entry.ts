import { existsSync } from 'node:fs';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { EngineError } from '../engine-error.ts';

/** The sibling module that runs in the process of its own, in sources and in built packages. */
export function entry(): string {
  const path = fileURLToPath(new URL(`./main${extname(import.meta.filename)}`, import.meta.url));
  if (!existsSync(path))
    throw new EngineError('ENGINE_BROKEN', `${path} is missing.`, 'Install the package again.');
  return path;
}
