import { globSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { COMPOSE_ERROR_CODES } from '@stackyard/compose';
import { expect, test } from 'vitest';

const root = resolve(import.meta.dirname, '..');
const read = (file: string) => readFileSync(join(root, file), 'utf8');
const page = 'docs/error-codes.md';

/** Variables that programs read and no Compose file of the repository gives them. */
const otherVariables = [
  // only: convex
  'CONVEX_DEPLOYMENT',
  'CONVEX_LOCAL_DATA',
  'CONVEX_LOCAL_HOST',
  'CONVEX_LOCAL_PORT',
  'CONVEX_LOCAL_SITE_PORT',
  // /only
  'POSTGRES_INITDB_ARGS',
  'STORAGE_DIRECTORY',
];

/** Codes of Node and of libraries; and the notes that a pipeline leaves, which are no errors. */
const foreign = /^(ERR|FST|UND|UNABLE|SELF|DEPTH|CERT)_|^(ENCODING_GUESSED|INVALID_ENCODING|TYPE_MISMATCH)$/;

/** The rows of every table with the first column "code": of the page and of the readmes that it leaves a family to. */
const documented = [
  page,
  ...globSync('{packages,apps}/**/README.md', { cwd: root, exclude: skipped }),
].flatMap((file) =>
  [...read(file).matchAll(/^\| code +\|.*\n(?:\|.*(?:\n|$))+/gm)].flatMap(([table]) =>
    [...table.matchAll(/^\| `(\w+)` *\| (.+?) *\|/gm)].map(([, code, meaning]) => ({
      file,
      code: code as string,
      meaning: meaning as string,
    })),
  ),
);
const prefixes = new Set(documented.map(({ code }) => prefixOf(code)));
const sources = [
  '{packages,apps}/*/src/**/*.ts',
  'apps/*/convex/**/*.ts', // only: convex
].flatMap((pattern) => globSync(pattern, { cwd: root, exclude: skipped }).map(read));
const raised = codesIn(sources);

test('every code that the sources raise is explained', () => {
  const explained = new Set(documented.map(({ code }) => code));
  expect([...raised].filter((code) => !explained.has(code)).sort()).toEqual([]);
});

test('every code that is explained exists, and is explained once', () => {
  expect(documented.filter(({ code }) => !raised.has(code))).toEqual([]);
  const uses = Map.groupBy(documented, ({ code }) => code);
  expect([...uses.values()].filter((places) => places.length > 1)).toEqual([]);
});

test('the codes of the loader mean what it says itself', () => {
  const rows = documented.filter(({ code }) => prefixOf(code) === 'COMPOSE');
  expect(Object.fromEntries(rows.map(({ code, meaning }) => [code, meaning]))).toEqual(COMPOSE_ERROR_CODES);
});

test('the scan sees codes in each form in which the sources write them', () => {
  const forms = [
    `throw new StackyardError(\n  'STACKYARD_A',`,
    `readonly code = 'REVIEW_B';`,
    `| 'HEALTH_C'`,
    `  ENGINE_D: { retryable: true }`,
    `  COMPOSE_E:\n    'A text.',`,
    `['POSTGRES_F', 'hint']`,
    `value('POSTGRES_PASSWORD')`,
    `\`STACKYARD_DRIVER\``,
    `code: 'WHOLLY_NEW',`,
  ];
  const seen = ['COMPOSE_E', 'HEALTH_C', 'POSTGRES_F', 'REVIEW_B', 'STACKYARD_A', 'ENGINE_D', 'WHOLLY_NEW'];
  expect([...codesIn(forms)].sort()).toEqual(seen.sort());
});

/** Strings and keys that look like codes: those with a documented prefix, and whatever is called `code`. */
function codesIn(texts: readonly string[]): Set<string> {
  const variables = variableNames();
  const found = texts.flatMap((text) => [
    ...[...text.matchAll(/'([A-Z][A-Z0-9]*_[A-Z0-9_]+)'/g)].map(([, code]) => code as string),
    ...[...text.matchAll(/^\s+([A-Z][A-Z0-9]*_[A-Z0-9_]+):\s*[{'"]/gm)].map(([, code]) => code as string),
  ]);
  const named = texts.flatMap((text) =>
    [...text.matchAll(/\bcode\s*[:=]\s*'([A-Z][A-Z0-9]*_[A-Z0-9_]+)'/g)].map(([, code]) => code as string),
  );
  return new Set([
    ...found.filter((code) => prefixes.has(prefixOf(code)) && !variables.has(code) && !foreign.test(code)),
    ...named.filter((code) => !foreign.test(code)),
  ]);
}

/** Environment variables share prefixes with codes: `POSTGRES_PASSWORD` is none. */
function variableNames(): Set<string> {
  const files = ['.env.example', ...globSync('{infra,apps/*}/compose*.yaml', { cwd: root })];
  const listed = files.flatMap((file) =>
    [...read(file).matchAll(/^[\s#]*([A-Z][A-Z0-9_]+)[:=]/gm)].map(([, name]) => name as string),
  );
  return new Set([...listed, ...otherVariables]);
}

function prefixOf(code: string): string {
  return code.slice(0, code.indexOf('_'));
}

function skipped(name: string): boolean {
  return /(^|\/)(node_modules|dist|data|_generated)(\/|$)|\.test\.ts$/.test(name);
}
