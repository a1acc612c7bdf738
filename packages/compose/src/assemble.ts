import { type OnWarning, Problems } from './errors.ts';
import { extendServices } from './extends.ts';
import { includeFiles } from './include.ts';
import type { Environment } from './interpolate.ts';
import { mergeNodes } from './merge.ts';
import { type MapNode, map } from './node.ts';
import { parseCompose } from './parse.ts';
import type { Source } from './source.ts';
import { substitute } from './substitute.ts';
import { enforceUnicity } from './unique.ts';

export interface Assembly {
  readonly env: Environment;
  /** Where the relative paths in the sources start. */
  readonly directory: string;
  readonly onWarning?: OnWarning;
  /** The files that led here through `include`, the outermost first. */
  readonly includedFrom?: readonly string[];
}

/**
 * Sources -> one document, still with its tags and in the forms in which it is written: parse, interpolate, include,
 * extend, merge.
 *
 * @throws ComposeError with the problems of all sources in the first phase that found any
 */
export function assemble(sources: readonly Source[], assembly: Assembly): MapNode {
  const { env, directory, onWarning } = assembly;
  const parsed = everySource(sources, ({ path, content }) =>
    parseCompose(content, path, directory).map((document) => ({ path, document })),
  ).flat();
  const substituted = everySource(parsed, ({ path, document }) => ({
    path,
    document: substitute(document, env, onWarning),
  }));
  const complete = everySource(substituted, ({ path, document }) =>
    extendServices(includeFiles(document, path, assembly), path, assembly),
  );
  const first = complete[0];
  if (first === undefined)
    return map([], { file: sources[0]?.path ?? '', line: 1, column: 1, folder: directory });
  return complete.slice(1).reduce((base, override) => {
    return enforceUnicity(mergeNodes(base, override, []) as MapNode);
  }, first);
}

function everySource<T, R>(items: readonly T[], work: (item: T) => R): R[] {
  const problems = new Problems();
  const results = items.flatMap((item) => problems.collect(() => [work(item)]) ?? []);
  problems.throwIfAny();
  return results;
}
