/** Writes an error to standard error, once, with its code, hint and causes. */
export function logError(error: unknown): void {
  console.error(describe(error));
}

export function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = 'code' in error ? `${String(error.code)}: ` : '';
  const hint = 'hint' in error && error.hint ? `\n  ${String(error.hint)}` : '';
  const cause = error.cause === undefined ? '' : `\n  because: ${describe(error.cause)}`;
  // Where it happened only helps for what nobody has foreseen.
  const stack = code === '' && error.stack ? `\n${error.stack.split('\n').slice(1, 4).join('\n')}` : '';
  return `${code}${error.message}${hint}${stack}${cause}`;
}

/** Resolves with the first signal that asks the process to stop. */
export function stopSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve(signal));
  });
}
