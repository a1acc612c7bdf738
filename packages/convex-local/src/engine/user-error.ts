import path from 'node:path';
import { FunctionError, RequestError } from './function-error.ts';

const CONVEX_ERROR = Symbol.for('ConvexError');

/** Where a place in a pushed module comes from in the person's sources. */
export type OriginOf = (
  module: string,
  line: number,
  column: number,
) => { readonly file: string; readonly line: number; readonly column: number } | undefined;

function isConvexError(thrown: unknown): thrown is Error & { data: unknown } {
  return typeof thrown === 'object' && thrown !== null && CONVEX_ERROR in thrown;
}

/** Where the engine's own modules are, as they show in stacks. */
const ENGINE = new URL('.', import.meta.url).href;
const FRAME = /^\s+at (async )?(?:(.*?) \()?convex:\/user\/(.*?):(\d+):(\d+)\)?$/;
/** Frames of the `convex` package, which every bundle contains. */
const LIBRARY = /(?:^|\/)convex\/(?:src|dist\/[\w-]+)\/(?:server|values|common|vendor|browser)\//;

/** The frames that belong to pushed code, with places as a person knows them. */
function userFrames(stack: string | undefined, originOf: OriginOf): string[] {
  const lines = (stack ?? '').split('\n');
  // What follows the engine's own frames belongs to the function that called this one.
  const end = lines.findIndex((line) => line.includes(ENGINE));
  return lines.slice(0, end === -1 ? undefined : end).flatMap((line) => {
    const frame = FRAME.exec(line);
    if (frame === null) return [];
    const [, async = '', name = '<anonymous>', module, row, column] = frame;
    const origin = originOf(module!, Number(row), Number(column));
    const shown =
      origin === undefined ? `${module}:${row}:${column}` : `${origin.file}:${origin.line}:${origin.column}`;
    if (LIBRARY.test(shown)) return [];
    return [`    at ${async}${name.replace(/^Object\./, '')} (${shown})`];
  });
}

/** What user code threw, as Convex shows it: `Uncaught Error: …` with the frames of the person's own files. */
export function asFunctionError(thrown: unknown, originOf: OriginOf): FunctionError | RequestError {
  if (thrown instanceof RequestError) return thrown;
  if (thrown instanceof FunctionError) {
    const message = thrown.message.startsWith('Uncaught ')
      ? thrown.message
      : `Uncaught Error: ${thrown.message}`;
    return new FunctionError(message, thrown.data);
  }
  const frames = thrown instanceof Error ? userFrames(thrown.stack, originOf) : [];
  const trace = frames.map((frame) => `\n${frame}`).join('');
  if (!(thrown instanceof Error)) return new FunctionError(`Uncaught ${String(thrown)}\n`);
  const message = thrown.message === '' ? thrown.name : `${thrown.name}: ${thrown.message}`;
  if (!isConvexError(thrown)) return new FunctionError(`Uncaught ${message}${trace}\n`);
  const data = typeof thrown.data === 'string' ? (JSON.parse(thrown.data) as unknown) : thrown.data;
  return new FunctionError(`Uncaught ${message}${trace}\n`, data);
}

/** The path of a source relative to the functions' folder, the way Convex prints it: `../convex/messages.ts`. */
export function sourcePath(module: string, source: string): string {
  return path.posix.normalize(path.posix.join(path.posix.dirname(module), source));
}
