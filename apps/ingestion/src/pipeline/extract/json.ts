import { PipelineError } from '../errors.ts';
import type { TextBuilder } from './builder.ts';

/**
 * JSON as lines of `path: value`, one per scalar, with escapes resolved so that a search finds what a person reads.
 * Also takes one JSON value per line. Text that is no JSON after all is kept as it is, with a note.
 */
export function json(text: string, builder: TextBuilder): void {
  if (text.trim() === '') return;
  const values = parse(text);
  const start = builder.length;
  if (values === undefined) {
    builder.note('MALFORMED_PARTS', 'The content is not valid JSON; it is kept as plain text');
    builder.append(text);
    builder.segment(start, { kind: 'prose' });
    return;
  }
  for (const [index, value] of values.entries()) {
    if (values.length === 1) walkTop(value, builder);
    else record(value, values.length > 1 ? `[${index}]` : '', builder, []);
  }
}

function parse(text: string): unknown[] | undefined {
  try {
    return [JSON.parse(text)];
  } catch {
    const lines = text.split('\n').filter((line) => line.trim() !== '');
    if (lines.length < 2) return undefined;
    try {
      return lines.map((line) => JSON.parse(line));
    } catch {
      return undefined;
    }
  }
}

/** The entries of the outermost value become segments of their own. */
function walkTop(value: unknown, builder: TextBuilder): void {
  if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) record(item, `[${index}]`, builder, []);
  } else if (isObject(value)) {
    for (const [key, item] of Object.entries(value)) record(item, key, builder, isScalar(item) ? [] : [key]);
  } else record(value, '', builder, []);
}

function record(value: unknown, path: string, builder: TextBuilder, headings: string[]): void {
  const start = builder.length;
  scalars(value, path, builder);
  const clean = headings.map((heading) => heading.slice(0, 200).toWellFormed().replaceAll('\0', ''));
  builder.segment(start, { kind: 'records' }, clean.length > 0 ? { headings: clean } : {});
}

/** Without recursion: the depth of the input is not ours to choose. */
function scalars(root: unknown, rootPath: string, builder: TextBuilder): void {
  const stack: { value: unknown; path: string; depth: number }[] = [
    { value: root, path: rootPath, depth: 1 },
  ];
  const limit = builder.budget.limits.jsonDepth;
  let steps = 0;
  for (let top = stack.pop(); top; top = stack.pop()) {
    if ((++steps & 1023) === 0) builder.budget.time();
    const { value, path, depth } = top;
    if (depth > limit)
      throw new PipelineError('INGEST_TOO_DEEP', `The JSON is nested more than ${limit} levels deep`, {
        hint: 'Flatten it, or raise the limit jsonDepth.',
      });
    if (Array.isArray(value)) {
      for (let at = value.length - 1; at >= 0; at--)
        stack.push({ value: value[at], path: `${path}[${at}]`, depth: depth + 1 });
    } else if (isObject(value)) {
      const entries = Object.entries(value);
      for (let at = entries.length - 1; at >= 0; at--) {
        const [key, item] = entries[at]!;
        stack.push({ value: item, path: path === '' ? key : `${path}.${key}`, depth: depth + 1 });
      }
    } else if (value !== null && value !== '') {
      builder.append(path === '' ? `${value}\n` : `${path}: ${value}\n`);
    }
  }
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

function isScalar(value: unknown): boolean {
  return !isObject(value);
}
