export interface UnknownVariable {
  readonly name: string;
  /** The known name that was probably meant. */
  readonly suggestion?: string | undefined;
}

/** The names in an env file that nothing reads, each with the known name that is closest, if one is close. */
export function unknownVariables(
  source: Readonly<Record<string, unknown>>,
  known: Iterable<string>,
): readonly UnknownVariable[] {
  const names = new Set(known);
  return Object.keys(source)
    .filter((name) => !names.has(name))
    .map((name) => ({ name, suggestion: closest(name, names) }));
}

function closest(name: string, known: Iterable<string>): string | undefined {
  let best: string | undefined;
  let least = Math.max(1, Math.floor(name.length / 4)) + 1;
  for (const candidate of known) {
    const steps = distance(name.toUpperCase(), candidate.toUpperCase());
    if (steps < least) [best, least] = [candidate, steps];
  }
  return best;
}

/** Edits between two words; two neighbours swapped count as one (optimal string alignment). */
function distance(a: string, b: string): number {
  let before: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const current = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      let steps = Math.min(at(previous, j) + 1, at(current, j - 1) + 1, at(previous, j - 1) + same);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        steps = Math.min(steps, at(before, j - 2) + 1);
      }
      current.push(steps);
    }
    [before, previous] = [previous, current];
  }
  return at(previous, b.length);
}

function at(row: readonly number[], index: number): number {
  return row[index] as number;
}
