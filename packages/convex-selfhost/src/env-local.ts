import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';

/** What the Convex CLI reads from `.env.local` to reach a self-hosted deployment. */
export interface EnvLocalValues {
  readonly CONVEX_SELF_HOSTED_URL: string;
  readonly CONVEX_SELF_HOSTED_ADMIN_KEY: string;
}

export interface EnvLocal {
  /** The whole new text of the file. */
  readonly text: string;
  /** Whether it differs from the old one. */
  readonly changed: boolean;
  /** What a person should know, one sentence each; holds no key. */
  readonly notes: readonly string[];
}

interface Assignment {
  readonly name: string;
  readonly value: string;
  /** Indices of its first and last line. */
  readonly first: number;
  readonly last: number;
}

/**
 * Puts the two values into the text of an `.env.local`, and keeps everything else as it is. A value that a person
 * wrote, or changed, stays: only what carries Stackyard's mark, with the fingerprint of its value, is brought up to
 * date.
 */
export function mergeEnvLocal(text: string, values: EnvLocalValues): EnvLocal {
  const newline = text.includes('\r\n') ? '\r\n' : '\n';
  const lines = text === '' ? [] : text.split(/\r?\n/);
  const trailing = lines.at(-1) === '';
  if (trailing) lines.pop();
  const notes: string[] = [];
  const assignments = parse(lines);
  const appended: string[] = [];
  // From the end, so that the indices of what comes before stay right.
  const edits: { at: number; count: number; lines: readonly string[] }[] = [];

  for (const [name, value] of Object.entries(values)) {
    const present = assignments.filter((assignment) => assignment.name === name);
    const own = present.filter((assignment) => assignment.value === '' || isMarked(lines, assignment));
    if (present.length === 0) appended.push(...marked(name, value));
    else if (own.length < present.length) {
      const theirs = present.find((assignment) => !own.includes(assignment));
      if (theirs?.value !== value) notes.push(`${name} in .env.local was set by hand and stays as it is.`);
    } else {
      const last = own.at(-1) as Assignment;
      if (last.value === value) continue;
      const at = last.first - (isMarked(lines, last) ? 1 : 0);
      edits.push({ at, count: last.last - at + 1, lines: marked(name, value) });
    }
  }
  if (assignments.some(({ name, value }) => name === 'CONVEX_DEPLOYMENT' && value !== '')) {
    notes.push(
      'CONVEX_DEPLOYMENT is set too; the Convex CLI refuses it next to a self-hosted deployment. Remove it.',
    );
  }

  for (const edit of edits.toSorted((a, b) => b.at - a.at)) lines.splice(edit.at, edit.count, ...edit.lines);
  if (appended.length > 0) lines.push(...(lines.length > 0 && lines.at(-1) !== '' ? [''] : []), ...appended);
  const changed = edits.length > 0 || appended.length > 0;
  return { text: changed ? `${lines.join(newline)}${newline}` : text, changed, notes };
}

const mark = '# Written by Stackyard';

function marked(name: string, value: string): string[] {
  return [
    `${mark} (${fingerprint(name, value)}). Change the value and it stays yours.`,
    `${name}=${quote(value)}`,
  ];
}

function isMarked(lines: readonly string[], { name, value, first }: Assignment): boolean {
  return (lines[first - 1] ?? '').startsWith(`${mark} (${fingerprint(name, value)})`);
}

function fingerprint(name: string, value: string): string {
  return bytesToHex(sha256(utf8ToBytes(`${name}=${value}`))).slice(0, 12);
}

/** A key has a `|`, which shells that source the file would take for a pipe. */
function quote(value: string): string {
  return /^[\w:/.@%+-]*$/.test(value) ? value : `'${value}'`;
}

/** The assignments of an env file; a quoted value may span lines, and what stands in it is no assignment. */
function parse(lines: readonly string[]): Assignment[] {
  const found: Assignment[] = [];
  for (let index = 0; index < lines.length; index += 1) {
    const line = (lines[index] as string).replace(/^\uFEFF/, '');
    const match = /^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_.]*)\s*=\s*(.*)$/.exec(line);
    if (!match) continue;
    const [, name = '', rest = ''] = match;
    const first = index;
    const quoteMark = /^["'`]/.exec(rest)?.[0];
    if (quoteMark === undefined) {
      found.push({ name, value: rest.replace(/(^|\s+)#.*$/, '').trim(), first, last: first });
      continue;
    }
    const after = [rest.slice(1), ...lines.slice(index + 1)].join('\n');
    const end = after.indexOf(quoteMark);
    // A quote without an end is a slip of one line, not a value that swallows the rest of the file.
    const value = end < 0 ? rest : after.slice(0, end);
    if (end >= 0) index += value.split('\n').length - 1;
    found.push({ name, value, first, last: index });
  }
  return found;
}
