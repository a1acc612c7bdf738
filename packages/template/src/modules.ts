import path from 'node:path';

const code = /\.(?:ts|tsx|js|mjs)$/;

export function isCode(file: string): boolean {
  return code.test(file);
}

/** What a file imports or resolves, as written: `./a.ts`, `@scope/package/part`. */
export function importsOf(text: string): string[] {
  return [...text.matchAll(/(?:\bfrom|\bimport|\bresolve)\s*\(?\s*'([^'\n]+)'/g)].map(
    ([, specifier]) => specifier!,
  );
}

/** The package that a specifier means, or undefined for a file. */
export function packageOf(specifier: string): string | undefined {
  if (specifier.startsWith('.') || specifier.includes(':')) return undefined;
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

/**
 * A module without what it took from modules that are gone: its import and export statements, and each line that
 * loads one of them on demand as an entry of a table. What used those names has to be marked as a region.
 */
export function withoutImports(text: string, isGone: (specifier: string) => boolean): string {
  if (!importsOf(text).some(isGone)) return text;
  const statement = /^(?:import|export)\b(?:[^;'"]*?\bfrom)?\s*'([^'\n]+)';\n/gm;
  const entry = /^\s*[\w'"-]+: .*\bimport\('([^'\n]+)'\).*,\n/gm;
  const drop = (whole: string, specifier: string) => (isGone(specifier) ? '' : whole);
  return text.replaceAll(statement, drop).replaceAll(entry, drop);
}

/** Where a relative specifier leads, relative to the root. */
export function resolveSpecifier(file: string, specifier: string): string | undefined {
  return specifier.startsWith('.') ? path.posix.join(path.posix.dirname(file), specifier) : undefined;
}
