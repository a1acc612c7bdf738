import { accessSync, constants, existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { describeVariant, type Workspace } from '../workspace.ts';
import type { Check } from './index.ts';

/** Values that readers of env files understand differently, and files that others may read. */
export function checkEnvFiles(
  { root, variants }: Workspace,
  environment: Readonly<Record<string, string | undefined>>,
): Check[] {
  const named = new Set(variants.flatMap((name) => describeVariant(root, name).envFiles));
  const files = [...named].filter(isReadable); // those that are not have a check of their own
  const checks = [
    ...[...files, ...secretFiles(root)].flatMap((file) => checkMode(root, file)),
    ...files.flatMap((file) => checkValues(root, file, environment)),
  ];
  if (checks.length > 0) return checks;
  const names = files.map((file) => path.relative(root, file)).join(', ');
  return [{ subject: 'env files', result: 'ok', message: names || 'none; every variable has its default' }];
}

function isReadable(file: string): boolean {
  try {
    accessSync(file, constants.R_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}

/** What Stackyard has generated, and the backups, which hold passwords too. */
function secretFiles(root: string): string[] {
  return ['.stackyard/secrets', 'data/backups'].flatMap((folder) => {
    const place = path.join(root, folder);
    return existsSync(place) ? readdirSync(place).map((name) => path.join(place, name)) : [];
  });
}

function checkMode(root: string, file: string): Check[] {
  if (process.platform === 'win32' || (statSync(file).mode & 0o004) === 0) return [];
  const name = path.relative(root, file);
  return [
    {
      subject: 'env files',
      result: 'warning',
      message: `${name} can be read by every user of this machine`,
      fix: `chmod 600 ${name}`,
    },
  ];
}

function checkValues(
  root: string,
  file: string,
  environment: Readonly<Record<string, string | undefined>>,
): Check[] {
  const name = path.relative(root, file);
  const text = readFileSync(file, 'utf8');
  const assigned = [...text.matchAll(/^\s*(?:export\s+)?([A-Za-z_]\w*)\s*=/gm)].map((match) => match[1]);
  const isMeant = (reference: string) =>
    reference.startsWith('${') || assigned.includes(reference.slice(1)) || reference.slice(1) in environment;
  return text.split(/\r?\n/).flatMap((line, index): Check[] => {
    const value = /^\s*(?:export\s+)?[A-Za-z_]\w*\s*=\s*([^'"\s].*)$/.exec(line)?.[1];
    // A reference to a variable that is set and a comment are meant; what is left is taken for one by some readers.
    const plain = value
      ?.replaceAll(/\$\{?[A-Za-z_]\w*/g, (reference) => (isMeant(reference) ? '' : reference))
      .replace(/\s#.*$/, '');
    const odd = plain && /[$#`]/.exec(plain)?.[0];
    if (!odd) return [];
    return [
      {
        subject: 'env files',
        result: 'warning',
        message: `${name}:${index + 1} has an unquoted ${odd}, which tools read differently`,
        fix: 'put the value in single quotes',
      },
    ];
  });
}
