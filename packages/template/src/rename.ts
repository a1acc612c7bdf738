import { isCode } from './modules.ts';
import { formsOf, type Names } from './names.ts';
import { entryOf, type Tree, textOf } from './tree.ts';

/**
 * Renames everything in a tree, paths and texts, each mention in the form that its surroundings ask for:
 * `@old/`, `old`, `old_x`, `oldX`, `OldX`, `Old` in prose, `OLD`.
 */
export function renameTree(tree: Tree, from: Names, to: Names): Tree {
  const rename = renamer(from, to);
  return new Map(
    [...tree].map(([file, entry]) => {
      const text = textOf(entry);
      return [rename(file), text === undefined ? entry : entryOf(rename(text), entry.executable)];
    }),
  );
}

export function renamer(from: Names, to: Names): (text: string) => string {
  const old = formsOf(from.name);
  const now = formsOf(to.name);
  const spellings = [from.title, old.pascal, old.upper, old.snake, old.camel, old.kebab];
  const pattern = new RegExp(`@${from.scope}(?=/)|${[...new Set(spellings)].map(literal).join('|')}`, 'g');
  return (text) =>
    text.replaceAll(pattern, (found: string, at: number) => {
      if (found.startsWith('@')) return `@${to.scope}`;
      const before = text.charAt(at - 1);
      const after = text.charAt(at + found.length);
      if (found === old.upper) return now.upper;
      if (found === old.pascal || found === from.title) {
        return /\w/.test(before) || /\w/.test(after) ? now.pascal : to.title;
      }
      if (before === '_' || after === '_') return now.snake;
      return /[A-Z]/.test(after) ? now.camel : now.kebab;
    });
}

const isTest = /\.test\.|(?:^|\/)test\//;

/** Words of the code that would mean two things: renaming makes them, and they are there already. */
export function clashesOf(tree: Tree, from: Names, to: Names): string[] {
  const rename = renamer(from, to);
  const texts = [...tree].flatMap(([file, entry]) =>
    isCode(file) && !isTest.test(file) ? (textOf(entry) ?? '') : [],
  );
  const words = new Set(texts.flatMap((text) => text.match(/\w+/g) ?? []));
  // The bare name is a word like any other.
  const bare = new Set<string>([from.title, ...Object.values(formsOf(from.name))]);
  return [...words].flatMap((word) => {
    const renamed = bare.has(word) ? word : rename(word);
    return renamed !== word && words.has(renamed) ? renamed : [];
  });
}

function literal(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
