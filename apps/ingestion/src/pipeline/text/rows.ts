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
  // The next quote that was not looked at yet; searched for only once it is passed, or each row would search anew.
  let quote = quoted ? text.indexOf('"', start) : -1;
  for (let from = start; from < end; ) {
    let to = lineEnd(text, from, end);
    while (quote >= 0 && quote < to) {
      const close = text.indexOf('"', quote + 1);
      if (close < 0 || close >= end || close - quote > maxCell) {
        to = lineEnd(text, from, end);
        quote = -1;
        break;
      }
      if (close >= to) to = lineEnd(text, close, end);
      quote = text.indexOf('"', close + 1);
    }
    yield { start: from, end: to };
    from = to;
  }
}

/** No sensible cell is longer; a quote that far away is not the partner. */
const maxCell = 262_144;

function lineEnd(text: string, from: number, end: number): number {
  const newline = text.indexOf('\n', from);
  return newline < 0 || newline >= end ? end : newline + 1;
}
