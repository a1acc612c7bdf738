export const count = (number: number, what: string): string =>
  `${number.toLocaleString('en')} ${what}${number === 1 ? '' : 's'}`;

export function size(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  const units = ['kB', 'MB', 'GB'];
  let value = bytes / 1000;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

export interface PlaceParts {
  readonly page: number | null;
  readonly pageEnd: number | null;
  readonly slide: number | null;
  readonly sheet: string | null;
  readonly headings: readonly string[];
  readonly file: readonly string[];
}

/** Where in its document a passage stands, outermost first. */
export function placeOf({ page, pageEnd, slide, sheet, headings, file }: PlaceParts): string {
  const parts = [
    ...file,
    ...(page === null ? [] : [pageEnd === null ? `page ${page}` : `pages ${page}–${pageEnd}`]),
    ...(slide === null ? [] : [`slide ${slide}`]),
    ...(sheet === null ? [] : [`sheet ${sheet}`]),
    ...headings,
  ];
  return parts.join(' › ');
}
