import { composeError, forEvery, type OnWarning } from './errors.ts';
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
  /** Counts the files that came in through `include`. */
  readonly included?: { count: number };
}

/** One document of a source. */
export interface Parsed {
  readonly path: string;
  readonly document: MapNode;
}

/** @throws ComposeError with the syntax errors of all sources, and COMPOSE_SYNTAX for one that is empty */
export function parseSources(sources: readonly Source[], directory: string): Parsed[] {
  return forEvery(sources, ({ path, content }) => {
    const documents = parseCompose(content, path, directory);
    if (documents.length > 0) return documents.map((document) => ({ path, document }));
    throw composeError(
      'COMPOSE_SYNTAX',
      'the file is empty',
      { file: path, line: 1 },
      'start with `services:`',
    );
  }).flat();
}

/**
 * Parsed sources -> one document, still with its tags and in the forms in which it is written: interpolate, include,
 * extend, merge.
 *
 * @throws ComposeError with the problems of all sources in the first phase that found any
 */
export function assemble(parsed: readonly Parsed[], assembly: Assembly): MapNode {
  const { env, directory, onWarning } = assembly;
  const substituted = forEvery(parsed, ({ path, document }) => ({
    path,
    document: substitute(document, env, onWarning),
  }));
  const complete = forEvery(substituted, ({ path, document }) =>
    extendServices(includeFiles(document, path, assembly), path, assembly),
  );
  const empty = map([], { file: parsed[0]?.path ?? '', line: 1, column: 1, folder: directory });
  const [first = empty, ...others] = complete;
  return others.reduce((base, override) => enforceUnicity(mergeNodes(base, override, []) as MapNode), first);
}
