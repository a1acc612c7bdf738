import { withoutDoubleBlanks } from './regions.ts';

/**
 * A page without the sections whose heading, and without the table rows, mention what is gone.
 */
export function withoutMentions(text: string, isGone: (mention: string) => boolean): string {
  const lines = text.split('\n');
  const result: string[] = [];
  let fence = false;
  /** Level of the heading whose section is being left out. */
  let skipped = 0;
  for (const line of lines) {
    if (/^\s*```/.test(line)) fence = !fence;
    const level = fence ? 0 : (/^(#+) /.exec(line)?.[1]?.length ?? 0);
    if (level > 0 && (skipped === 0 || level <= skipped)) skipped = isGone(line) ? level : 0;
    if (skipped > 0) continue;
    if (!fence && /^\s*\|/.test(line) && isGone(line)) continue;
    result.push(line);
  }
  return withoutDoubleBlanks(text, alignTables(result).join('\n'));
}

/** Tables with columns as wide as their widest cell. */
function alignTables(lines: readonly string[]): string[] {
  const result: string[] = [];
  for (let at = 0; at < lines.length; ) {
    const end = lines.findIndex((line, index) => index >= at && !/^\s*\|.*\|$/.test(line));
    const rows = lines.slice(at, end === -1 ? lines.length : end);
    result.push(...(rows.length > 2 && /^\s*\|[ :|-]+\|$/.test(rows[1]!) ? alignRows(rows) : rows));
    at += rows.length;
    if (at < lines.length) result.push(lines[at++]!);
  }
  return result;
}

function alignRows(rows: readonly string[]): string[] {
  const indent = /^\s*/.exec(rows[0]!)![0];
  // A bar in code is written \| and does not end a cell.
  const cells = rows.map((row) =>
    row
      .trim()
      .slice(1, -1)
      .split(/(?<!\\)\|/)
      .map((cell) => cell.trim()),
  );
  const width = (column: number) =>
    Math.max(3, ...cells.filter((_, row) => row !== 1).map((row) => row[column]?.length ?? 0));
  const widths = cells[0]!.map((_, column) => width(column));
  return cells.map((row, index) => {
    const padded = widths.map((size, column) =>
      index === 1 ? '-'.repeat(size) : (row[column] ?? '').padEnd(size),
    );
    return `${indent}| ${padded.join(' | ')} |`;
  });
}
