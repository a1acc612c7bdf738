import { FunctionError } from './function-error.ts';

const CONVEX_ERROR = Symbol.for('ConvexError');

function isConvexError(thrown: unknown): thrown is Error & { data: unknown } {
  return typeof thrown === 'object' && thrown !== null && CONVEX_ERROR in thrown;
}

/** The frames that belong to pushed code, with paths as a person knows them. */
function userFrames(stack: string | undefined): string[] {
  return (stack ?? '')
    .split('\n')
    .filter((line) => /^\s+at /.test(line))
    .filter((line) => line.includes('/modules/') || line.includes('convex:/user'))
    .filter((line) => !line.includes('node_modules/convex/'))
    .map((line) => {
      const place = /^\s+at (?:async )?(.*?) ?\(?(?:file:\/\/)?(\/[^()]*?|\w[^()]*?):(\d+):(\d+)\)?$/.exec(
        line,
      );
      if (place === null) return line.trimEnd();
      const [, name, file, row, column] = place;
      const shown = file!.replace(/^.*\/modules\/[0-9a-f]{32}\//, '../convex/');
      return `    at ${name === '' ? '<anonymous>' : name!.replace(/^Object\./, '')} (${shown}:${row}:${column})`;
    });
}

/** What user code threw, as Convex shows it: `Uncaught Error: …` with the frames of the person's own files. */
export function asFunctionError(thrown: unknown): FunctionError {
  if (thrown instanceof FunctionError) {
    const message = thrown.message.startsWith('Uncaught ')
      ? thrown.message
      : `Uncaught Error: ${thrown.message}`;
    return new FunctionError(message, thrown.data);
  }
  const frames = thrown instanceof Error ? userFrames(thrown.stack) : [];
  const trace = frames.length === 0 ? '' : `\n${frames.join('\n')}`;
  if (isConvexError(thrown)) {
    const data = typeof thrown.data === 'string' ? (JSON.parse(thrown.data) as unknown) : thrown.data;
    return new FunctionError(`Uncaught ConvexError: ${thrown.message}${trace}\n`, data);
  }
  if (thrown instanceof Error) {
    const message = thrown.message === '' ? thrown.name : `${thrown.name}: ${thrown.message}`;
    return new FunctionError(`Uncaught ${message}${trace}\n`);
  }
  return new FunctionError(`Uncaught ${String(thrown)}`);
}
