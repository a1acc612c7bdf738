import { forEvery } from './errors.ts';
import { references } from './interpolate.ts';
import type { Node, Path } from './node.ts';
import { parseCompose } from './parse.ts';
import { type ComposeFile, projectDirectoryOf, readSource } from './source.ts';

/** A variable that Compose files read. */
export interface Variable {
  readonly name: string;
  /** What follows `:-` or `-`, as it is written; absent when no reference has one. */
  readonly default?: string;
  /** A reference of the form `${V:?...}` or `${V?...}` refuses to go on without it. */
  readonly required: boolean;
  /** The services that use it, in the order of the files; empty when only other parts do. */
  readonly services: readonly string[];
  /** The comment above its first reference that has one, or what its `:?` says. */
  readonly description?: string;
  readonly references: readonly { readonly file: string; readonly line: number; readonly path: string }[];
}

interface Found {
  readonly name: string;
  readonly argument?: string;
  readonly message?: string;
  readonly comment?: string;
  readonly service?: string;
  readonly file: string;
  readonly line: number;
  readonly path: string;
}

/**
 * Every variable that the files refer to, in the order of its first reference: the source of `.env.example`.
 *
 * @throws ComposeError for a file that cannot be parsed, and for malformed references
 */
export function findVariables(
  files: readonly ComposeFile[],
  { projectDirectory }: { projectDirectory?: string } = {},
): Variable[] {
  const directory = projectDirectoryOf(files, projectDirectory);
  const found = forEvery(files, (file) => {
    const { path, content } = readSource(file, projectDirectory);
    const lines = content.split('\n');
    return parseCompose(content, path, directory).flatMap((document) => referencesIn(document, [], lines));
  }).flat();
  const names = new Set(found.map(({ name }) => name));
  return [...names].map((name) =>
    summary(
      name,
      found.filter((use) => use.name === name),
    ),
  );
}

function summary(name: string, uses: readonly Found[]): Variable {
  const argument = uses.find((use) => use.argument !== undefined)?.argument;
  const message = uses.find((use) => use.message !== undefined)?.message;
  const description = uses.find(({ comment }) => comment !== undefined)?.comment ?? (message || undefined);
  return {
    name,
    ...(argument === undefined ? {} : { default: argument }),
    required: message !== undefined,
    services: [...new Set(uses.flatMap(({ service }) => service ?? []))],
    ...(description === undefined ? {} : { description }),
    references: uses.map(({ file, line, path }) => ({ file, line, path })),
  };
}

function referencesIn(node: Node, path: Path, lines: readonly string[]): Found[] {
  if (node.kind === 'map') {
    return [...node.entries].flatMap(([key, value]) => referencesIn(value, [...path, key], lines));
  }
  if (node.kind === 'list') {
    return node.items.flatMap((item, index) => referencesIn(item, [...path, String(index)], lines));
  }
  if (typeof node.value !== 'string' || !node.value.includes('$')) return [];
  const { file, line } = node.at;
  const comment = commentAbove(lines, line);
  return references(node.value, node.at).map(({ name, operator, argument }) => ({
    name,
    ...(operator?.endsWith('-') ? { argument } : {}),
    ...(operator?.endsWith('?') ? { message: argument } : {}),
    ...(comment === undefined ? {} : { comment }),
    ...(path[0] === 'services' && path[1] !== undefined ? { service: path[1] } : {}),
    file,
    line,
    path: path.join('.'),
  }));
}

/** The lines of comment directly above a line, as one text. */
function commentAbove(lines: readonly string[], line: number): string | undefined {
  const texts: string[] = [];
  for (let index = line - 2; index >= 0; index -= 1) {
    const comment = /^\s*#+\s?(.*?)\s*$/.exec(lines[index] as string)?.[1];
    if (comment === undefined) break;
    texts.unshift(comment);
  }
  const text = texts.join(' ').trim();
  return text === '' ? undefined : text;
}
