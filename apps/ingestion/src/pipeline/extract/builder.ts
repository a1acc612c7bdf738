import { cleanText } from '../text/clean.ts';
import type { Note, Position, Segment } from '../types.ts';
import type { Budget } from './budget.ts';

type SegmentInfo = Omit<Segment, 'start' | 'end' | keyof Position>;

/**
 * Grows the extracted text of a document. What goes in is cleaned first, so offsets taken here are true for good.
 * Segments get the position that is current when they close.
 */
export class TextBuilder {
  readonly budget: Budget;
  readonly notes: Note[] = [];
  readonly segments: Segment[] = [];
  readonly metadata: Record<string, unknown> = {};
  title: string | undefined;
  pages: number | undefined;
  #pieces: string[] = [];
  #length = 0;
  #removed = false;
  #file: string[] = [];

  constructor(budget: Budget) {
    this.budget = budget;
  }

  get length(): number {
    return this.#length;
  }

  /** Appends and returns where the text ends now. */
  append(text: string): number {
    const clean = this.clean(text);
    if (clean === '') return this.#length;
    this.budget.text(clean.length);
    this.#pieces.push(clean);
    this.#length += clean.length;
    return this.#length;
  }

  /** As {@link cleanText}, and remembers that something was taken out. */
  clean(text: string): string {
    const clean = cleanText(text);
    if (clean !== text && !this.#removed) {
      this.#removed = true;
      this.note('CHARACTERS_REMOVED', 'NUL characters or halves of surrogate pairs were taken out');
    }
    return clean;
  }

  /** A line that stands apart from what is before it, if anything is. */
  gap(): void {
    if (this.#length > 0) this.append('\n\n');
  }

  /** One segment from `start` to the end of the text; nothing when that is empty. */
  segment(start: number, info: SegmentInfo, position: Position = {}): void {
    this.add({ ...info, ...position, start, end: this.#length });
  }

  add(segment: Segment): void {
    if (segment.end <= segment.start) return;
    if (this.#file.length > 0) segment.file = this.#file;
    this.segments.push(segment);
  }

  note(code: Note['code'], message: string): void {
    // A hostile archive could note every entry.
    if (this.notes.length < 100) this.notes.push({ code, message: cleanText(message) });
  }

  /**
   * Runs `work` with `name` added to the file path of every segment made meanwhile. Title and number of pages of a part
   * are not those of the whole.
   */
  async within(name: string, work: () => Promise<void>): Promise<void> {
    const outer = this.#file;
    const { title, pages } = this;
    this.#file = [...outer, name];
    try {
      await work();
    } finally {
      this.#file = outer;
      this.title = title;
      this.pages = pages;
    }
  }

  get depth(): number {
    return this.#file.length;
  }

  text(): string {
    const text = this.#pieces.join('');
    this.#pieces = [text];
    return text;
  }
}
