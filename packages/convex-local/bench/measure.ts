/** The value below which `share` (0 to 1) of the samples lie. */
export function percentile(samples: readonly number[], share: number): number {
  return samples.toSorted((a, b) => a - b)[Math.min(samples.length - 1, Math.floor(share * samples.length))]!;
}

export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** Measured in the same run. */
  readonly baseline: { readonly name: string; readonly value: number };
  readonly target: number;
}

/** Prints figure, baseline, ratio and target on one line; a missed target makes the process exit with 1. */
export function report({ name, value, unit, baseline, target }: Figure): void {
  const shown = (number: number) => `${number.toFixed(number >= 100 ? 0 : 2)} ${unit}`;
  const reached = value <= target;
  if (!reached) process.exitCode = 1;
  console.log(
    [
      name.padEnd(44),
      shown(value).padStart(12),
      `${baseline.name} ${shown(baseline.value)}`.padEnd(34),
      `${(value / baseline.value).toFixed(1)} x`.padStart(9),
      `${reached ? 'reached' : 'MISSED '} <= ${shown(target)}`,
    ].join('  '),
  );
}
