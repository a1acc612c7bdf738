import { rowsOf } from '../text/rows.ts';
import type { TextBuilder } from './builder.ts';

/** A table in text form, as it is: one segment, with the header row marked when there is one. */
export function csv(text: string, builder: TextBuilder): void {
  const start = builder.length;
  const clean = builder.clean(text);
  builder.append(clean);
  const rows = rowsOf(clean, 0, clean.length, true);
  const first = rows.next();
  const second = rows.next();
  const header =
    !first.done &&
    !second.done &&
    looksLikeHeader(
      clean.slice(first.value.start, first.value.end),
      clean.slice(second.value.start, second.value.end),
    );
  builder.segment(start, {
    kind: 'table',
    quoted: true,
    ...(header && first.value ? { headerEnd: start + first.value.end } : {}),
  });
}

/** Names over values: no number among the names, and not longer than a screen. */
function looksLikeHeader(first: string, second: string): boolean {
  if (first.length > 4000 || first.trim() === '') return false;
  const cells = first.split(/[,;\t|]/).map((cell) => cell.trim().replaceAll('"', ''));
  if (cells.some((cell) => cell !== '' && Number.isFinite(Number(cell)))) return false;
  return second.trim() !== '';
}
