import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { Stack } from '../../driver.ts';
import { StackyardError } from '../../errors.ts';
import { storage } from './stored-data.ts';

/** Refuses data that an embedded engine made: another locale or format would corrupt or not start. */
export async function refuseForeignData(stack: Stack, services: readonly string[]): Promise<void> {
  for (const service of services) {
    for (const { folder, target } of storage(stack, service)) {
      const maker = folder === undefined ? undefined : madeBy(folder, target);
      if (maker !== undefined) throw foreign(stack, service, folder!, maker);
    }
  }
}

/** By its mount, the file that an embedded engine leaves in place of a stamp. */
const marks: Readonly<Record<string, { readonly file: string; readonly maker: string }>> = {
  '/convex/data': { file: 'local', maker: 'the embedded Convex' }, // only: convex
};

/** Which embedded engine left its mark in the data; no image makes or understands such data. */
function madeBy(folder: string, target: string): string | undefined {
  const mark = marks[target];
  if (mark) return existsSync(path.join(folder, mark.file)) ? mark.maker : undefined;
  try {
    const { engine } = JSON.parse(readFileSync(path.join(folder, 'stackyard.json'), 'utf8'));
    return `the embedded engine ${engine}`;
  } catch {
    return undefined; // no stamp, or a folder that only a container enters: then a container made it
  }
}

function foreign(stack: Stack, service: string, folder: string, maker: string): StackyardError {
  const { root, name } = stack.variant;
  return new StackyardError(
    'STACKYARD_DATA_FOREIGN',
    `the data of ${service} in ${path.relative(root, folder)} were made by ${maker}, not by its image`,
    {
      details: [
        'Three ways out:',
        '  restore  run them with --driver embedded',
        '  migrate  dump the data there (stackyard backup), and load them here after a reset',
        `  reset    stackyard reset ${name} --driver embedded, then start again`,
      ],
      hint: `use --driver embedded, or reset ${name}; nothing was started`,
    },
  );
}
