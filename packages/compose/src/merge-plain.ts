import { mergeNodes } from './merge.ts';
import { fromPlain, type MapNode, toPlain } from './node.ts';
import { enforceUnicity } from './unique.ts';

export type PlainDocument = Record<string, unknown>;

/**
 * Merges two parsed documents as Compose does for `-f base -f override`, in whatever forms they are written, and
 * removes what the override redefines. Neither is changed.
 *
 * @throws ComposeError COMPOSE_MERGE when the two do not fit, COMPOSE_VALUE for an entry without its key field
 */
export function mergeComposeFiles(base: PlainDocument, override: PlainDocument): PlainDocument {
  const node = (document: PlainDocument, file: string) =>
    fromPlain(document ?? {}, { file, line: 1, folder: '.' }) as MapNode;
  const merged = mergeNodes(node(base, '(base)'), node(override, '(override)'), []);
  return toPlain(enforceUnicity(merged as MapNode)) as PlainDocument;
}
