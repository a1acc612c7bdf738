/** One measured figure and what it is held against. */
export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** Measured in the same run. */
  readonly baseline?: { readonly name: string; readonly value: number };
  /** The largest value, or the largest ratio to the baseline, that is good enough. */
  readonly target?: { readonly value?: number; readonly ratio?: number };
}

/**
 * Prints a figure on one line, aligned with the others: value, baseline, ratio, target, and whether it is reached. A
 * missed target makes the process exit with 1.
 */
export function report(figure: Figure): void {
  console.log(format(figure));
  if (!isReached(figure)) process.exitCode = 1;
}

function isReached({ value, baseline, target }: Figure): boolean {
  const ratio = baseline ? value / baseline.value : Number.POSITIVE_INFINITY;
  return (
    (target?.value === undefined || value <= target.value) &&
    (target?.ratio === undefined || ratio <= target.ratio)
  );
}

export function format(figure: Figure): string {
  const { name, value, unit, baseline, target } = figure;
  const ratio = baseline && value / baseline.value;
  const limits = [
    target?.value !== undefined && `<= ${number(target.value)} ${unit}`,
    target?.ratio !== undefined && `<= ${target.ratio} x`,
  ].filter(Boolean);
  return [
    name.padEnd(46),
    `${number(value)} ${unit}`.padStart(13),
    (baseline ? `${baseline.name} ${number(baseline.value)} ${unit}` : '').padEnd(30),
    (ratio === undefined ? '' : `${ratio.toFixed(2)} x`).padStart(8),
    limits.length > 0 ? `${isReached(figure) ? 'reached' : 'MISSED '}  ${limits.join(', ')}` : '',
  ]
    .join('  ')
    .trimEnd();
}

/** The value below which `share` (0 to 1) of the samples lie. */
export function percentile(samples: readonly number[], share: number): number {
  const sorted = samples.toSorted((a, b) => a - b);
  const value = sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
  if (value === undefined) throw new RangeError('no samples');
  return value;
}

/** Milliseconds that `work` takes. */
export async function time(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

function number(value: number): string {
  if (value >= 100) return value.toFixed(0);
  return value >= 1 ? value.toFixed(1) : value.toFixed(3);
}
