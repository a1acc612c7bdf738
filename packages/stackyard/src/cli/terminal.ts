import { stripVTControlCharacters } from 'node:util';
import type { Reporter } from '../reporter.ts';
import { formatDuration } from '../units.ts';

/** A stream that a person or a program reads. */
export interface Output {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan' | 'magenta' | 'blue';

const codes: Readonly<Record<Style, number>> = {
  bold: 1,
  dim: 2,
  red: 31,
  green: 32,
  yellow: 33,
  blue: 34,
  magenta: 35,
  cyan: 36,
};

/** Colours for a terminal; plain text for everything else, and when NO_COLOR is set. */
export function painter(output: Output, environment: Readonly<Record<string, string | undefined>>) {
  const colours = output.isTTY === true && !environment.NO_COLOR;
  return (style: Style, text: string): string => (colours ? `\u001b[${codes[style]}m${text}\u001b[0m` : text);
}

export type Paint = ReturnType<typeof painter>;

const prefixColours: readonly Style[] = ['cyan', 'magenta', 'green', 'yellow', 'blue'];

/** Puts an aligned, coloured name before each line of several sources. */
export function prefixer(names: readonly string[], paint: Paint): (name: string, line: string) => string {
  const width = Math.max(...names.map((name) => name.length), 0);
  return (name, line) => {
    const colour = prefixColours[Math.max(names.indexOf(name), 0) % prefixColours.length]!;
    return `${paint(colour, name.padEnd(width))} ${paint('dim', '|')} ${line}`;
  };
}

/** A line of another program: some colour what they print wherever it goes. */
export function shownOn(output: Output, line: string): string {
  return output.isTTY ? line : stripVTControlCharacters(line);
}

/** Rows as aligned columns; `paint` styles a cell after it has been padded. */
export function formatTable(
  rows: readonly (readonly string[])[],
  paint?: (text: string, row: number, column: number) => string,
): string[] {
  const columns = Math.max(0, ...rows.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  );
  return rows.map((row, index) => {
    const last = row.findLastIndex((cell) => cell !== '');
    const cells = row.slice(0, last + 1).map((cell, column) => {
      const padded = column === last ? cell : cell.padEnd(widths[column]!);
      return paint ? paint(padded, index, column) : padded;
    });
    return cells.join('  ');
  });
}

/** What takes less than this is not worth a word. */
const quietMs = 500;

/**
 * Shows what a start is waiting for: one line that is kept up to date on a terminal, a plain line per step
 * elsewhere; nothing for what is quick.
 */
export class ProgressDisplay implements Reporter, Disposable {
  readonly #output: Output;
  readonly #format: (name: string, line: string) => string;
  readonly #subjects = new Map<string, { message: string; readonly since: number; said: string }>();
  #timer: NodeJS.Timeout | undefined;
  #shown = false;

  constructor(output: Output, format: (name: string, line: string) => string) {
    this.#output = output;
    this.#format = format;
  }

  progress(subject: string, message: string): void {
    const known = this.#subjects.get(subject);
    if (known) known.message = message;
    else this.#subjects.set(subject, { message, since: performance.now(), said: '' });
    this.#timer ??= setInterval(() => this.#draw(), 100);
    this.#timer.unref();
  }

  done(subject: string): void {
    this.#subjects.delete(subject);
    if (this.#subjects.size === 0) this[Symbol.dispose]();
  }

  output(name: string, line: string): void {
    this.#erase();
    this.#output.write(`${this.#format(name, shownOn(this.#output, line))}\n`);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#subjects.clear();
    this.#erase();
  }

  #draw(): void {
    const now = performance.now();
    const slow = [...this.#subjects].filter(([, entry]) => now - entry.since >= quietMs);
    if (slow.length === 0) return;
    if (!this.#output.isTTY) {
      for (const [subject, entry] of slow) {
        if (entry.said === entry.message) continue;
        entry.said = entry.message;
        this.#output.write(`${subject}: ${entry.message} (${formatDuration(now - entry.since)} so far)\n`);
      }
      return;
    }
    const parts = slow.map(
      ([subject, entry]) => `${subject}: ${entry.message} (${formatDuration(now - entry.since)})`,
    );
    const line = parts.join('   ').slice(0, (this.#output.columns ?? 80) - 1);
    this.#output.write(`\r\u001b[K${line}`);
    this.#shown = true;
  }

  #erase(): void {
    if (this.#shown) this.#output.write('\r\u001b[K');
    this.#shown = false;
  }
}
