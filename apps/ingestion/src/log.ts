/** Texts that are remembered. */
const REMEMBERED = 1000;

/**
 * Writes errors to standard error with code, hint and causes. One that says the same again, as in an outage, is written
 * once a minute, with how often it came in between.
 */
export function createErrorLog({
  write = (text: string) => console.error(text),
  now = Date.now,
  quietMs = 60_000,
} = {}): (error: unknown) => void {
  const known = new Map<string, { until: number; repeated: number }>();
  return (error) => {
    const text = describe(error);
    const before = known.get(text);
    if (before && now() < before.until) {
      before.repeated += 1;
      return;
    }
    if (known.size >= REMEMBERED) known.clear();
    known.set(text, { until: now() + quietMs, repeated: 0 });
    write(before?.repeated ? `${text}\n  and ${before.repeated} times since this was last written` : text);
  };
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
