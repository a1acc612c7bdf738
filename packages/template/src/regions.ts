import { TemplateError } from './template-error.ts';

/**
 * Texts that belong to a part of the template say so themselves, in a comment of their language. A line that is nothing
 * but the comment "only: mail" opens a region, which the comment "/only" closes; the comment behind something marks
 * that one line. The words are names of variants or engines (one that stays is enough), or "template" for what no
 * project needs. A Markdown comment that begins "only: project" holds a text that only projects show.
 */
const opening = /^\s*(?:\/\/|#|<!--|--|\/\*)\s*only: ([\w, -]+?)\s*(?:-->|\*\/)?\s*$/;
const closing = /^\s*(?:\/\/|#|<!--|--|\/\*)\s*\/only\s*(?:-->|\*\/)?\s*$/;
const behind = /^(.*\S)\s+(?:\/\/|#|<!--|--|\/\*)\s*only: ([\w, -]+?)\s*(?:-->|\*\/)?\s*$/;
const hidden = /^<!-- only: project$/;

/** The words of a file that belongs as a whole to a part of the template: its first line opens what nothing closes. */
export function wholeFileWords(text: string): string[] | undefined {
  const [first = '', ...rest] = text.split('\n');
  const start = opening.exec(first);
  if (!start || rest.some((line) => closing.test(line))) return undefined;
  return start[1]!.split(',').map((word) => word.trim());
}

/** The text without the regions that nobody keeps, and without the marks of those that stay. */
export function resolveRegions(file: string, text: string, keeps: (word: string) => boolean): string {
  if (!text.includes('only: ')) return text;
  if (wholeFileWords(text)) return text.slice(text.indexOf('\n') + 1);
  const result: string[] = [];
  /** Of each region that is open, whether its lines stay. */
  const open: boolean[] = [];
  let revealing = false;
  for (const line of text.split('\n')) {
    if (hidden.test(line)) {
      revealing = true;
      continue;
    }
    if (revealing && line === '-->') {
      revealing = false;
      continue;
    }
    const start = opening.exec(line);
    if (start) {
      open.push(someKept(start[1]!, keeps));
      continue;
    }
    if (open.length > 0 && closing.test(line)) {
      open.pop();
      continue;
    }
    if (open.includes(false)) continue;
    const marked = behind.exec(line);
    if (!marked) result.push(line);
    else if (someKept(marked[2]!, keeps)) result.push(marked[1]!);
  }
  if (open.length > 0) {
    throw new TemplateError('TEMPLATE_REGION', `a region of ${file} has no end`, {
      hint: 'close it: the comment "only: ..." on a line of its own needs the comment "/only" below',
    });
  }
  return withoutDoubleBlanks(text, result.join('\n'));
}

function someKept(words: string, keeps: (word: string) => boolean): boolean {
  return words.split(',').some((word) => keeps(word.trim()));
}

/** What stood between two blank lines leaves two of them behind. */
export function withoutDoubleBlanks(before: string, after: string): string {
  return /\n\n\n/.test(before) ? after : after.replaceAll(/\n{3,}/g, '\n\n').replace(/^\n+/, '');
}
