import { type Document, isScalar, LineCounter, parseAllDocuments, visit, type YAMLMap } from 'yaml';
import { composeError, Problems } from './errors.ts';
import type { MapNode, Origin } from './node.ts';
import { isMergeKey, Reader } from './reader.ts';

/** A larger file is an attack, not a description of services. */
const MAX_CHARACTERS = 4_000_000;
// biome-ignore lint/suspicious/noControlCharactersInRegex: YAML allows no other ones
const CONTROL_CHARACTER = /[\0-\x08\x0b\x0c\x0e-\x1f\x7f]/;

/**
 * Parses a Compose file into its documents, with anchors and `<<` resolved. Later documents override earlier ones.
 *
 * @param folder the folder against which relative paths in the file resolve
 * @throws ComposeError COMPOSE_SYNTAX with the first error of the file or every key that is there twice, COMPOSE_LIMIT, COMPOSE_UNSUPPORTED for other tags
 */
export function parseCompose(content: string, file: string, folder: string): MapNode[] {
  const start: Origin = { file, line: 1, column: 1, folder };
  if (content.length > MAX_CHARACTERS) {
    throw composeError(
      'COMPOSE_LIMIT',
      `the file is larger than ${MAX_CHARACTERS} characters`,
      start,
      'split it',
    );
  }
  const control = content.search(CONTROL_CHARACTER);
  if (control >= 0) {
    const line = content.slice(0, control).split('\n').length;
    throw composeError(
      'COMPOSE_SYNTAX',
      `the control character ${JSON.stringify(content[control])} is not allowed`,
      { ...start, line },
      'remove it, or save the file as text',
    );
  }
  const counter = new LineCounter();
  const documents = parseDocuments(content, counter, start);
  // The parser goes on after an error, and what it then finds is mostly a consequence of it.
  const [error] = documents.flatMap(({ errors }) => errors);
  if (error !== undefined) {
    const { line, col } = counter.linePos(error.pos[0]);
    const message = error.message.split(/ at line \d+, column \d+/)[0] as string;
    const at = { file, line, column: col };
    // It recurses, and reports the overflow of the stack among the errors of the document.
    throw /call stack/.test(message)
      ? composeError('COMPOSE_LIMIT', 'the file nests too deep', at, 'flatten it')
      : composeError('COMPOSE_SYNTAX', message, at, 'correct the YAML');
  }
  const problems = new Problems();
  for (const { key, offset } of documents.flatMap(repeatedKeys)) {
    const { line, col } = counter.linePos(offset);
    const at = { file, line, column: col };
    problems.add('COMPOSE_SYNTAX', `the key ${JSON.stringify(key)} is there twice`, at, 'keep one');
  }
  problems.throwIfAny();
  return documents
    .filter(({ contents }) => contents !== null && !(isScalar(contents) && contents.value === null))
    .map((document) => {
      const root = new Reader(document, counter, file, folder).read();
      if (root.kind === 'map') return root;
      throw composeError(
        'COMPOSE_SYNTAX',
        'the top level must be a mapping',
        root.at,
        'start with `services:`',
      );
    });
}

function parseDocuments(content: string, counter: LineCounter, start: Origin): Document.Parsed[] {
  try {
    const parsed = parseAllDocuments(content, {
      lineCounter: counter,
      logLevel: 'silent',
      merge: true,
      // It takes quadratic time to compare them there.
      uniqueKeys: false,
    });
    return 'empty' in parsed ? [] : parsed;
  } catch (error) {
    const [code, message] =
      error instanceof RangeError
        ? (['COMPOSE_LIMIT', 'the file nests too deep'] as const)
        : (['COMPOSE_SYNTAX', `not YAML: ${(error as Error).message}`] as const);
    throw composeError(code, message, start, 'correct the YAML', error);
  }
}

/** Keys that a mapping of the document has already. `<<` may be there more than once. */
function repeatedKeys(document: Document.Parsed): { key: string; offset: number }[] {
  const repeated: { key: string; offset: number }[] = [];
  visit(document, {
    Map: (_, { items }) => {
      const present = new Set<unknown>();
      for (const { key } of items as YAMLMap.Parsed['items']) {
        if (!isScalar(key) || isMergeKey(key)) continue;
        if (present.has(key.value)) repeated.push({ key: String(key.value), offset: key.range[0] });
        present.add(key.value);
      }
    },
  });
  return repeated.sort((a, b) => a.offset - b.offset);
}
