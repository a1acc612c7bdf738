import { InvalidArgumentError } from 'commander';
import { type FaultLog, OneRosterError } from '../oneroster/fault.ts';

const SHOWN_FAULTS = 50;

/** Prints rows with their columns aligned; columns of numbers to the right. */
export function table(header: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const cells = rows.map((row) =>
    row.map((cell) => (typeof cell === 'number' ? cell.toLocaleString('en') : cell)),
  );
  const widths = header.map((title, i) => Math.max(title.length, ...cells.map((row) => row[i]!.length)));
  const line = (row: readonly string[], numbers: readonly boolean[]) =>
    row
      .map((cell, i) => (numbers[i] ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!)))
      .join('  ')
      .trimEnd();
  const numbers = header.map((_, i) => rows.length > 0 && rows.every((row) => typeof row[i] === 'number'));
  return [line(header, numbers), ...cells.map((row) => line(row, numbers))].join('\n');
}

/** The first faults with their places, then all of them summed by kind. */
function faultText(log: FaultLog): string {
  const shown = log.faults.slice(0, SHOWN_FAULTS);
  const lines = shown.map(
    ({ file, line, column, code, message }) =>
      `  ${file}${line > 0 ? `:${line}` : ''}${column ? ` ${column}` : ''}: ${message} [${code}]`,
  );
  if (log.total > shown.length) {
    lines.push(`  ... and ${(log.total - shown.length).toLocaleString('en')} more; all of them, by kind:`);
    lines.push(
      ...table(
        ['file', 'column', 'fault', 'count', 'first line'],
        log.summaries().map((s) => [s.file, s.column, s.code, s.count, s.firstLine]),
      )
        .split('\n')
        .map((line) => `    ${line}`),
    );
  }
  return lines.join('\n');
}

let json = false;

/** From now on results and errors are JSON. */
export function useJson(on: boolean | undefined): void {
  json = on ?? false;
}

export function print(value: unknown, text: () => string): void {
  process.stdout.write(`${json ? JSON.stringify(value, null, 2) : text()}\n`);
}

/** Ends the process with an error: what happened, every fault, and what to do next. */
export function fail(error: unknown): void {
  process.exitCode = 1;
  const code = (error as { code?: unknown }).code;
  const hint = (error as { hint?: unknown }).hint;
  const message = error instanceof Error ? error.message : String(error);
  const log = error instanceof OneRosterError ? error.log : undefined;
  if (json) {
    const faults = log && { total: log.total, faults: log.faults, summary: log.summaries() };
    process.stderr.write(`${JSON.stringify({ error: { code, message, hint, ...faults } }, null, 2)}\n`);
    return;
  }
  const lines = [`erp: ${message}${typeof code === 'string' ? ` [${code}]` : ''}`];
  if (log) lines.push(faultText(log));
  if (typeof hint === 'string') lines.push(`  ${hint}`);
  process.stderr.write(`${lines.join('\n')}\n`);
}

/** Shows on a terminal how far a long command is, once it has taken half a second. */
export function progress(): { report(text: string): void; done(): void } {
  const started = performance.now();
  const live = process.stderr.isTTY;
  let shown = false;
  return {
    report(text) {
      if (!live || performance.now() - started < 500) return;
      shown = true;
      process.stderr.write(`\r\u001b[K${text}`);
    },
    done() {
      if (shown) process.stderr.write('\r\u001b[K');
    },
  };
}

/** Parses the value of an option. @throws InvalidArgumentError */
export function positive(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value > 0) return value;
  throw new InvalidArgumentError('Give a whole number above zero.');
}
