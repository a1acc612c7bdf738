import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { type Assembly, assemble, parseSources } from './assemble.ts';
import { composeError } from './errors.ts';
import { mergeNodes } from './merge.ts';
import { entry, list, type MapNode, map, type Node, text, withEntries } from './node.ts';
import { localPath, projectEnvironment, readText } from './source.ts';
import { stripTags } from './tags.ts';

/** Files that include one another twice make any number of them out of a few. */
const MAX_FILES = 1000;

const IMPORTED = ['services', 'networks', 'volumes', 'secrets', 'configs', 'models'] as const;

/**
 * Puts what `include` names under a document. Paths in an included file are relative to its own folder, or to
 * the `project_directory` of the entry.
 *
 * @throws ComposeError COMPOSE_CYCLE, COMPOSE_FILE and whatever the included files are refused for
 */
export function includeFiles(document: MapNode, file: string, assembly: Assembly): MapNode {
  const included = entry(document, 'include');
  if (included === undefined) return document;
  if (included.kind !== 'list') {
    throw composeError(
      'COMPOSE_TYPE',
      'include must be a list',
      included.at,
      'write `include: [other/compose.yaml]`',
    );
  }
  const chain = [...(assembly.includedFrom ?? []), file];
  const counting = { included: { count: 0 }, ...assembly };
  const imported = included.items.reduce<MapNode>(
    (base, item) => importInto(base, includedDocument(item, chain, counting)),
    map([], document.at),
  );
  return importInto(imported, withEntries(document, { include: undefined }));
}

function includedDocument(
  item: Node,
  chain: readonly string[],
  assembly: Assembly & Required<Pick<Assembly, 'included'>>,
): MapNode {
  const folder = item.at.folder;
  const paths = texts(item.kind === 'map' ? entry(item, 'path') : item).map((path) =>
    localPath(path, item.at),
  );
  const [first] = paths;
  if (first === undefined) {
    throw composeError(
      'COMPOSE_VALUE',
      'an entry of include names no file',
      item.at,
      'write a path, or `path:`',
    );
  }
  const repeated = paths.find((path) => chain.includes(path));
  if (repeated !== undefined) {
    const circle = [...chain.slice(chain.indexOf(repeated)), repeated].join(' -> ');
    throw composeError(
      'COMPOSE_CYCLE',
      `include goes round in a circle: ${circle}`,
      item.at,
      'remove one of them',
    );
  }
  assembly.included.count += paths.length;
  if (assembly.included.count > MAX_FILES) {
    const message = `more than ${MAX_FILES} files are included`;
    throw composeError('COMPOSE_LIMIT', message, item.at, 'include each file once');
  }
  const named = text(entry(item, 'project_directory'));
  const directory = named === undefined ? dirname(first) : resolve(folder, named);
  const envFiles = entry(item, 'env_file');
  const files =
    envFiles === undefined
      ? [join(directory, '.env')].filter((path) => existsSync(path))
      : texts(envFiles).map((path) => resolve(folder, path));
  return stripTags(
    assemble(
      parseSources(
        paths.map((path) => ({ path, content: readText(path, item.at) })),
        directory,
      ),
      {
        ...assembly,
        env: projectEnvironment(assembly.env, files, directory, assembly.onWarning),
        directory,
        includedFrom: chain,
      },
    ),
  );
}

function texts(node: Node | undefined): string[] {
  const items = node === undefined ? [] : (node.kind === 'list' ? node : list([node], node.at)).items;
  return items.flatMap((item) => text(item) ?? []);
}

/** The resources of `base` under those of `document`; all else of a base is left behind. */
function importInto(base: MapNode, document: MapNode): MapNode {
  const changes: Record<string, Node> = {};
  for (const kind of IMPORTED) {
    const below = entry(base, kind);
    const above = entry(document, kind);
    if (below !== undefined) changes[kind] = above === undefined ? below : mergeNodes(below, above, [kind]);
  }
  return withEntries(document, changes);
}
