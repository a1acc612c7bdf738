import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { pnpmw } from './commands.ts';
import { formsOf, nameProblems } from './names.ts';
import { TemplateError } from './template-error.ts';
import { readTree } from './tree.ts';
import { variantFiles } from './variant-files.ts';
import { freeBlock, readClaims } from './variant-ports.ts';
import { takenNames } from './workspace.ts';

/** What `new variant` makes. */
export interface NewVariant {
  readonly name: string;
  /** The folder, relative to the root. */
  readonly folder: string;
  /** Port of its API. */
  readonly port: number;
  /** Texts by their path, relative to the root. */
  readonly files: ReadonlyMap<string, string>;
}

export interface ApplyOptions {
  readonly signal?: AbortSignal;
  /** Told what is being done, a line each. */
  readonly say?: (line: string) => void;
}

/** An empty variant for the checkout at `root`; refuses a name with everything that is wrong with it. */
export function planVariant(root: string, name: string): NewVariant {
  const claims = readClaims(root);
  const folder = `apps/${name}`;
  const variable = `${formsOf(name).upper}_API_PORT`;
  const problems = [
    ...nameProblems(name, takenNames(readTree(root))),
    ...(/^[\w.@-]+$/.test(name) && existsSync(path.join(root, folder)) ? [`${folder} is there already`] : []),
    ...[...claims.variables].flatMap(([owner, variables]) =>
      variables.includes(variable) ? [`${owner} has the variable ${variable} already`] : [],
    ),
  ];
  if (problems.length > 0) {
    throw new TemplateError('TEMPLATE_VARIANT_NAME', `a variant cannot be called ${JSON.stringify(name)}`, {
      details: problems,
      hint: 'choose another: lower-case letters, digits and single hyphens, as in acme-shop',
      exitCode: 2,
    });
  }
  const port = freeBlock(claims);
  const { license } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as {
    license?: string;
  };
  const files = [...variantFiles(name, port, license)].map(
    ([file, text]) => [`${folder}/${file}`, text] as const,
  );
  return { name, folder, port, files: new Map(files) };
}

/** Puts a variant into the checkout and installs it. What fails, or is interrupted, leaves the checkout as it was. */
export async function createVariant(
  root: string,
  { folder, files, name }: NewVariant,
  { signal, say = () => {} }: ApplyOptions = {},
): Promise<void> {
  const stage = path.join(root, '.stackyard', `new-${name}`);
  rmSync(stage, { recursive: true, force: true });
  try {
    for (const [file, text] of files) {
      const target = path.join(stage, path.relative(folder, file));
      mkdirSync(path.dirname(target), { recursive: true });
      writeFileSync(target, text);
    }
    await withRollback(root, [...generatedFiles, 'pnpm-lock.yaml'], async (undo) => {
      renameSync(stage, path.join(root, folder));
      undo(() => rmSync(path.join(root, folder), { recursive: true, force: true }));
      say('./pnpmw install');
      await pnpmw(root, ['install', '--prefer-offline', '--no-frozen-lockfile'], signal);
      await regenerate(root, say, signal);
    });
  } finally {
    rmSync(stage, { recursive: true, force: true });
  }
}

/** Replaces the text of a file and makes anew what is generated from it; all of it, or nothing. */
export async function replaceText(
  root: string,
  file: string,
  text: string,
  { signal, say = () => {} }: ApplyOptions = {},
): Promise<void> {
  await withRollback(root, [...generatedFiles, file], async () => {
    const draft = path.join(root, `${file}.${process.pid}`);
    writeFileSync(draft, text);
    renameSync(draft, path.join(root, file));
    await regenerate(root, say, signal);
  });
}

const generatedFiles = ['.env.example'];

async function regenerate(root: string, say: (line: string) => void, signal?: AbortSignal): Promise<void> {
  const { scripts = {} } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as {
    scripts?: Record<string, string>;
  };
  if (scripts['env:example'] === undefined) return;
  say('./pnpmw env:example');
  await pnpmw(root, ['env:example'], signal);
}

/** Runs `work`; when it fails, the files get their old content, and what `undo` was given is done, last first. */
async function withRollback(
  root: string,
  files: readonly string[],
  work: (undo: (step: () => void) => void) => Promise<void>,
): Promise<void> {
  const steps: (() => void)[] = files.map((file) => {
    const target = path.join(root, file);
    const before = existsSync(target) ? readFileSync(target) : undefined;
    return () => (before === undefined ? rmSync(target, { force: true }) : writeFileSync(target, before));
  });
  try {
    await work((step) => steps.push(step));
  } catch (error) {
    for (const step of steps.reverse()) step();
    throw error;
  }
}
