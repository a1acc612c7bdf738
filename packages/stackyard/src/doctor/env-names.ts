import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { findVariables, parseEnvFile } from '@stackyard/compose';
import { unknownVariables } from '@stackyard/env';
import { describeVariant, type Workspace } from '../workspace.ts';
import type { Check } from './index.ts';

/** Read by Compose and by Stackyard themselves, whatever the files of the variants say. */
const ownVariable = /^(COMPOSE|DOCKER|BUILDKIT|STACKYARD)_/;

/** Names in env files that nothing reads: mostly slips of the pen, which otherwise pass in silence. */
export function checkEnvNames(workspace: Workspace): Check[] {
  const variants = workspace.variants.map((name) => describeVariant(workspace.root, name));
  const files = new Set(variants.flatMap(({ envFiles }) => envFiles));
  try {
    const composeFiles = [...new Set(variants.flatMap((variant) => variant.files))];
    const variables = findVariables(composeFiles, { projectDirectory: workspace.root });
    const known = new Set([...variables.map(({ name }) => name), ...documentedNames(workspace.root)]);
    return [...files].flatMap((file) => checkFile(workspace.root, file, known));
  } catch {
    return []; // a file that cannot be read has a check of its own
  }
}

function checkFile(root: string, file: string, known: ReadonlySet<string>): Check[] {
  const shown = path.relative(root, file);
  const given = parseEnvFile(readFileSync(file, 'utf8'), { env: {}, file });
  return unknownVariables(given, known)
    .filter(({ name }) => !ownVariable.test(name))
    .map(({ name, suggestion }) => ({
      subject: 'env names',
      result: 'warning',
      message: `${shown} sets ${name}, which nothing reads`,
      fix: suggestion ? `write ${suggestion}, if that was meant` : 'remove it, or name it in a Compose file',
    }));
}

/** What `.env.example` lists: it also has what programs read that are run by hand. */
function documentedNames(root: string): string[] {
  const file = path.join(root, '.env.example');
  if (!existsSync(file)) return [];
  return [...readFileSync(file, 'utf8').matchAll(/^#?([A-Za-z_]\w*)=/gm)].map(([, name]) => name as string);
}
