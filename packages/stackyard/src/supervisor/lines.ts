import type { Readable } from 'node:stream';

/** Longest line that is kept together; a longer one arrives in pieces. */
const longestLine = 64 * 1024;

/** Calls back for each line of a stream, and for what is left without a line break at its end. */
export function eachLine(stream: Readable, callback: (line: string) => void): void {
  let rest = '';
  stream.setEncoding('utf8');
  stream.on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) callback(line.endsWith('\r') ? line.slice(0, -1) : line);
    if (rest.length > longestLine) {
      callback(rest);
      rest = '';
    }
  });
  stream.on('end', () => {
    if (rest !== '') callback(rest);
  });
  stream.on('error', () => {}); // the other end was killed
}
