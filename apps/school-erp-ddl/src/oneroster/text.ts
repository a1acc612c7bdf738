import type { FaultCode } from './fault.ts';

/** How much of a file is looked at before it is decided how to read it. */
const SAMPLE_BYTES = 64 * 1024;

interface TextOptions {
  /** Whether a file that is not UTF-8 is read in the encoding that it seems to have. */
  readonly lenient: boolean;
  /** Told once for what the whole file does otherwise than the standard. */
  readonly fault: (code: FaultCode, message: string) => void;
}

/**
 * The text of a CSV file: UTF-8 with or without a byte order mark, as the standard wants it; UTF-16 with its mark; in a
 * lenient import Shift_JIS and Windows-1252, too. Lines may end with CR alone. In a strict import, bytes that are not
 * UTF-8 become U+FFFD, so that each can be named with its place.
 */
export async function* textOf(stream: AsyncIterable<Buffer>, options: TextOptions): AsyncGenerator<string> {
  let held: Buffer[] = [];
  let size = 0;
  let reader: ((chunk?: Buffer) => string) | undefined;
  const start = (): string => {
    const sample = Buffer.concat(held);
    held = [];
    reader = readerFor(sample, options);
    return reader(sample);
  };
  for await (const chunk of stream) {
    if (reader) yield reader(chunk);
    else {
      held.push(chunk);
      size += chunk.length;
      if (size >= SAMPLE_BYTES) yield start();
    }
  }
  if (!reader) yield start();
  yield reader!();
}

function readerFor(sample: Buffer, { lenient, fault }: TextOptions): (chunk?: Buffer) => string {
  const encoding = encodingOf(sample, lenient);
  if (encoding !== 'utf-8') fault('ENCODING', `the file is not UTF-8; read as ${encoding}`);
  const beginning = new TextDecoder(encoding).decode(sample, { stream: true });
  const bareReturns = beginning.includes('\r') && !beginning.includes('\n');
  if (bareReturns) fault('CSV_SYNTAX', 'lines end with CR alone');
  const decoder = new TextDecoder(encoding);
  return (chunk) => {
    const text = chunk ? decoder.decode(chunk, { stream: true }) : decoder.decode();
    return bareReturns ? text.replaceAll('\r', '\n') : text;
  };
}

function encodingOf(sample: Buffer, lenient: boolean): string {
  if (sample[0] === 0xff && sample[1] === 0xfe) return 'utf-16le';
  if (sample[0] === 0xfe && sample[1] === 0xff) return 'utf-16be';
  if (!lenient || isValid('utf-8', sample)) return 'utf-8';
  // A file in UTF-8 with some damage has more letters that are whole than broken ones.
  const text = sample.toString('utf8');
  const broken = text.match(/\uFFFD/g)?.length ?? 0;
  const whole = text.match(/[^\0-\x7f\uFFFD]/g)?.length ?? 0;
  if (whole > broken) return 'utf-8';
  return isValid('shift_jis', sample) ? 'shift_jis' : 'windows-1252';
}

function isValid(encoding: string, sample: Buffer): boolean {
  try {
    new TextDecoder(encoding, { fatal: true }).decode(sample, { stream: true });
    return true;
  } catch {
    return false;
  }
}
