import { PipelineError } from '../errors.ts';
import type { Limits } from '../types.ts';

/** Counts what one document uses over all its parts, and stops it at a limit. Sizes that headers claim play no part. */
export class Budget {
  readonly limits: Readonly<Limits>;
  readonly #now: () => number;
  readonly #deadline: number;
  #inflated = 0;
  #entries = 0;
  #text = 0;
  #pages = 0;

  constructor(limits: Readonly<Limits>, now: () => number = performance.now.bind(performance)) {
    this.limits = limits;
    this.#now = now;
    this.#deadline = now() + limits.timeMs;
  }

  /** The same limits with nothing used yet, for looking before reading. */
  apart(): Budget {
    return new Budget(this.limits, this.#now);
  }

  /** Between two steps of work: is there time left? The isolating parent watches the same limit from outside. */
  time(): void {
    if (this.#now() <= this.#deadline) return;
    throw new PipelineError('INGEST_TIME_LIMIT', `Reading took longer than ${this.limits.timeMs} ms`, {
      hint: 'Split the document, or raise the limit timeMs.',
    });
  }

  input(bytes: number): void {
    if (bytes <= this.limits.inputBytes) return;
    throw new PipelineError(
      'INGEST_INPUT_TOO_LARGE',
      `The document has ${bytes} bytes; ${this.limits.inputBytes} are allowed`,
      { hint: 'Split the document, or raise the limit inputBytes.' },
    );
  }

  inflated(bytes: number): void {
    this.#inflated += bytes;
    if (this.#inflated <= this.limits.inflatedBytes) return;
    throw new PipelineError(
      'INGEST_INFLATED_TOO_LARGE',
      `The compressed content grows past ${this.limits.inflatedBytes} bytes`,
      { hint: 'Send the parts one by one, or raise the limit inflatedBytes.' },
    );
  }

  entry(): void {
    this.#entries++;
    if (this.#entries <= this.limits.entries) return;
    throw new PipelineError('INGEST_TOO_MANY_ENTRIES', `There are more than ${this.limits.entries} entries`, {
      hint: 'Split the archive, or raise the limit entries.',
    });
  }

  text(length: number): void {
    this.#text += length;
    if (this.#text <= this.limits.textLength) return;
    throw new PipelineError(
      'INGEST_TEXT_TOO_LARGE',
      `The text is longer than ${this.limits.textLength} characters`,
      { hint: 'Split the document, or raise the limit textLength.' },
    );
  }

  /** Before decoding: text of so many bytes cannot fit, whatever its encoding (four bytes a character at most). */
  textBytes(bytes: number): void {
    if (bytes > this.limits.textLength * 4) this.text(bytes);
  }

  pages(count: number): void {
    this.#pages += count;
    if (this.#pages <= this.limits.pages) return;
    throw new PipelineError('INGEST_TOO_MANY_PAGES', `There are more than ${this.limits.pages} pages`, {
      hint: 'Send a range of pages, or raise the limit pages.',
    });
  }

  nesting(depth: number): void {
    if (depth <= this.limits.nesting) return;
    throw new PipelineError(
      'INGEST_TOO_DEEP',
      `Parts are nested more than ${this.limits.nesting} levels deep`,
      {
        hint: 'Unpack the inner archives and send them by themselves.',
      },
    );
  }
}
