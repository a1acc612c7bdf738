import { formsOf } from './names.ts';
import { recordFile } from './record.ts';
import type { Selection } from './selection.ts';
import { type Tree, textOf } from './tree.ts';

/** A place that mentions what should have gone. */
export interface Leftover {
  readonly file: string;
  /** From 1; 0 when the path itself mentions it. */
  readonly line: number;
  readonly text: string;
}

/** Every mention of one of the names, in paths and in texts, but for the record that an upgrade needs. */
export function findMentions(tree: Tree, pattern: RegExp): Leftover[] {
  return [...tree].flatMap(([file, entry]) => {
    if (file === recordFile) return [];
    const inPath = pattern.test(file) ? [{ file, line: 0, text: file }] : [];
    const lines = textOf(entry)?.split('\n') ?? [];
    const inText = lines.flatMap((text, index) =>
      pattern.test(text) ? [{ file, line: index + 1, text: text.trim().slice(0, 160) }] : [],
    );
    return [...inPath, ...inText];
  });
}

/** Everything that names a pruned variant or an engine of its own: `book-shop-api`, `BOOK_SHOP_...`, `book shop`. */
export function prunedPattern(selection: Selection): RegExp | undefined {
  const names = [...selection.pruned, ...selection.prunedEngines].flatMap((name) => {
    const words = name.split('-');
    // The last word of three says what kind of thing it is: "book shop" means book-shop-api too.
    return [words.join('[-_ ]?'), ...(words.length > 2 ? [words.slice(0, -1).join('[-_ ]?')] : [])];
  });
  return names.length === 0 ? undefined : new RegExp(names.join('|'), 'i');
}

/** Every way to write a name. */
export function namePattern(name: string): RegExp {
  const { kebab, snake, pascal } = formsOf(name);
  return new RegExp([...new Set([kebab, snake, pascal])].join('|'), 'i');
}
