/**
 * Splits a command line into words as Compose does: white space separates, quotes group, a backslash takes the next
 * character literally (`\n` and `\t` are a newline and a tab). No variable, glob or operator is interpreted.
 *
 * @returns undefined when a quote is not closed or the line ends in a backslash
 */
export function splitCommand(line: string): string[] | undefined {
  const words: string[] = [];
  let word = '';
  let started = false;
  let quote: string | undefined;
  for (let index = 0; index < line.length; index += 1) {
    const character = line[index] as string;
    if (character === '\\' && quote !== "'") {
      index += 1;
      if (index >= line.length) return undefined;
      const escaped = line[index] as string;
      word += escaped === 'n' ? '\n' : escaped === 't' ? '\t' : escaped;
      started = true;
    } else if (quote !== undefined) {
      if (character === quote) quote = undefined;
      else word += character;
    } else if (character === '"' || character === "'") {
      quote = character;
      started = true;
    } else if (/\s/.test(character)) {
      if (started) words.push(word);
      word = '';
      started = false;
    } else {
      word += character;
      started = true;
    }
  }
  if (quote !== undefined) return undefined;
  if (started) words.push(word);
  return words;
}

/** Whether a command line holds an operator of the shell outside quotes, which Compose does not interpret. */
export const hasShellOperator = (line: string): boolean =>
  /[;&|<>]/.test(line.replace(/\\.|"(\\.|[^"\\])*"|'[^']*'/gs, ''));
