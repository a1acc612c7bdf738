/** A row of a table as a stretch of text, its line break included. */
export interface Row {
  start: number;
  end: number;
}

/**
 * The rows of `text` between `start` and `end`. In quoted tables a line break inside double quotes belongs to its
 * cell. A quote that never closes is an ordinary character, so one stray quote does not swallow the rest. Linear.
 */
export function* rowsOf(text: string, start: number, end: number, quoted: boolean): Generator<Row> {
  let from = start;
  let quoting = quoted;
  while (from < end) {
    let at = lineEnd(text, from, end);
    if (quoting) {
      let quote = text.indexOf('"', from);
      while (quote >= 0 && quote < at) {
        const close = text.indexOf('"', quote + 1);
        if (close < 0 || close >= end || close - quote > maxCell) {
          quoting = false;
          break;
        }
        if (close >= at) at = lineEnd(text, close, end);
        quote = text.indexOf('"', close + 1);
      }
      if (!quoting) at = lineEnd(text, from, end);
    }
    yield { start: from, end: at };
    from = at;
  }
}

/** No sensible cell is longer; a quote that far away is not the partner. */
const maxCell = 262_144;

function lineEnd(text: string, from: number, end: number): number {
  const newline = text.indexOf('\n', from);
  return newline < 0 || newline >= end ? end : newline + 1;
}
