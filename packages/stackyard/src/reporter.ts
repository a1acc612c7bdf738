import type { ErrorReport } from './errors.ts';

/** What a start tells the person, or the command, that waits for it. */
export interface Reporter {
  /** What is going on; replaces what was said of the same subject before. */
  progress(subject: string, message: string): void;
  /** The subject needs no more waiting. */
  done(subject: string): void;
  /** A line that a script printed. */
  output(name: string, line: string): void;
}

/** The same, as messages of the background supervisor to the command that started it. */
export type SupervisorMessage =
  | { readonly type: 'progress'; readonly subject: string; readonly message: string }
  | { readonly type: 'done'; readonly subject: string }
  | { readonly type: 'output'; readonly name: string; readonly line: string }
  | { readonly type: 'ready' }
  | { readonly type: 'failed'; readonly error: ErrorReport };
