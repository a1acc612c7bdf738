import { countTokens } from '../text/tokens.ts';
import { cutHard, fitsBytes, type Range, type Room } from './cut.ts';

interface Line extends Range {
  /** How deep the line stands: open braces before it, or its indentation where that carries the structure. */
  depth: number;
  blank: boolean;
}

/** A piece of code with the declarations around its first line. */
export interface CodeRange extends Range {
  scope: string[];
}

/** Languages whose blocks are indentation or `end`; the depth of their lines is their indentation. */
const indented = new Set(
  'python yaml ruby elixir haskell lua makefile toml shell dockerfile sql r clojure'.split(' '),
);
const hashComments = new Set(
  'python yaml ruby elixir perl makefile toml shell dockerfile r powershell terraform graphql'.split(' '),
);

/**
 * Code cut where its syntax has a joint: before a line at the lowest depth after a blank line or a closed block, so
 * that functions and classes stay whole when they fit. Braces in strings and comments do not count.
 */
export function* code(
  text: string,
  range: Range,
  language: string | undefined,
  room: Room,
): Generator<CodeRange> {
  const lines = scan(text, range, language);
  for (let first = 0; first < lines.length; ) {
    let last = first;
    let used = 0;
    while (last < lines.length) {
      const line = lines[last]!;
      const cost = countTokens(text, line.start, line.end);
      if (used + cost > room.tokens || !fitsBytes(text, { start: lines[first]!.start, end: line.end }, room))
        break;
      used += cost;
      last++;
    }
    const scope = scopeOf(text, lines, first);
    if (last === first) {
      // One line that is too long: minified code or data.
      for (const piece of cutHard(text, lines[first]!, room)) yield { ...piece, scope };
      first++;
      continue;
    }
    if (last < lines.length) last = bestJoint(lines, first, last);
    yield { start: lines[first]!.start, end: lines[last - 1]!.end, scope };
    first = last;
  }
}

/** The index of the line before which to cut, between a third of the chunk and its limit. */
function bestJoint(lines: Line[], first: number, limit: number): number {
  let best = limit;
  let score = Infinity;
  for (let at = limit; at > first + Math.floor((limit - first) / 3); at--) {
    const line = lines[at]!;
    const before = lines[at - 1]!;
    if (line.blank) continue;
    // Comments and decorators belong to what follows, and the blank line or closed block stands before them.
    const open = before.blank || before.depth > line.depth ? 0 : 0.5;
    const cost = line.depth + open;
    if (cost < score) {
      score = cost;
      best = at;
    }
  }
  return best;
}

/** The first lines of the blocks around a line, outermost first: at most three, each at most 120 characters. */
function scopeOf(text: string, lines: Line[], index: number): string[] {
  const scope: string[] = [];
  let depth = lines[index]!.depth;
  for (let at = index - 1; at >= 0 && depth > 0 && scope.length < 3 && index - at < 5000; at--) {
    const line = lines[at]!;
    if (line.blank || line.depth >= depth) continue;
    depth = line.depth;
    const shown = text.slice(line.start, Math.min(line.end, line.start + 120)).trim();
    if (/\w/.test(shown)) scope.unshift(shown.toWellFormed());
  }
  return scope;
}

function scan(text: string, { start, end }: Range, language = ''): Line[] {
  const byIndent = indented.has(language);
  const braces = new BraceDepth(hashComments.has(language));
  const lines: Line[] = [];
  for (let from = start; from < end; ) {
    const newline = text.indexOf('\n', from);
    const to = newline < 0 || newline >= end ? end : newline + 1;
    let at = from;
    let indent = 0;
    for (; at < to; at++) {
      const unit = text.charCodeAt(at);
      if (unit === 9) indent += 4;
      else if (unit === 32) indent++;
      else break;
    }
    const blank = at >= to || text.charCodeAt(at) === 10 || text.charCodeAt(at) === 13;
    lines.push({
      start: from,
      end: to,
      blank,
      depth: byIndent ? Math.floor(indent / 2) : braces.at(text, at, to),
    });
    from = to;
  }
  return lines;
}

/** Follows braces line by line, past strings and comments of the C family. */
class BraceDepth {
  readonly #hash: boolean;
  #depth = 0;
  #comment = false;
  #template = false;

  constructor(hash: boolean) {
    this.#hash = hash;
  }

  /** The depth at which a line begins; a closing brace at its beginning belongs to the block outside. */
  at(text: string, start: number, end: number): number {
    const closes = !this.#comment && !this.#template && text.charCodeAt(start) === 125;
    const depth = Math.max(0, this.#depth - (closes ? 1 : 0));
    let quote = '';
    for (let at = start; at < end; at++) {
      const char = text[at]!;
      if (this.#comment) {
        if (char === '*' && text[at + 1] === '/') {
          this.#comment = false;
          at++;
        }
      } else if (this.#template) {
        if (char === '\\') at++;
        else if (char === '`') this.#template = false;
      } else if (quote !== '') {
        if (char === '\\') at++;
        else if (char === quote) quote = '';
      } else if (char === '"' || char === "'") {
        // An apostrophe without partner on its line is a lifetime or a word, not a string.
        const close = text.indexOf(char, at + 1);
        if (close >= 0 && close < end) quote = char;
        else if (char === '"') break;
      } else if (char === '`') this.#template = true;
      else if (char === '/' && text[at + 1] === '/') break;
      else if (char === '/' && text[at + 1] === '*') {
        this.#comment = true;
        at++;
      } else if (char === '#' && this.#hash) break;
      else if (char === '{') this.#depth++;
      else if (char === '}') this.#depth = Math.max(0, this.#depth - 1);
    }
    return depth;
  }
}
