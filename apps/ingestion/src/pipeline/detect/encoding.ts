/** How the bytes of a text are to be read. */
export interface Encoding {
  /** A label that `TextDecoder` knows. */
  label: string;
  bomBytes: number;
  /** True when nothing but statistics speaks for the label. */
  guessed: boolean;
  /** True when some bytes do not fit the label and will become U+FFFD. */
  invalid: boolean;
}

const marks: [string, number[]][] = [
  ['utf-8', [0xef, 0xbb, 0xbf]],
  ['utf-16le', [0xff, 0xfe]],
  ['utf-16be', [0xfe, 0xff]],
];

function known(label: string | undefined): string | undefined {
  if (label === undefined) return undefined;
  try {
    return new TextDecoder(label).encoding;
  } catch {
    return undefined;
  }
}

/** Decodes without a byte order mark; bytes that do not fit become U+FFFD. */
export function decode(bytes: Uint8Array, encoding: Pick<Encoding, 'label' | 'bomBytes'>): string {
  return new TextDecoder(encoding.label, { ignoreBOM: true }).decode(bytes.subarray(encoding.bomBytes));
}

/** Most of the first bytes of Latin text in UTF-16 are a NUL on one side. */
function wideWithoutMark(bytes: Uint8Array): string | undefined {
  const pairs = Math.min(bytes.length, 4096) >> 1;
  if (pairs < 2) return undefined;
  let even = 0;
  let odd = 0;
  for (let at = 0; at < pairs; at++) {
    if (bytes[2 * at] === 0) even++;
    if (bytes[2 * at + 1] === 0) odd++;
  }
  if (odd > pairs * 0.7 && even < pairs * 0.1) return 'utf-16le';
  if (even > pairs * 0.7 && odd < pairs * 0.1) return 'utf-16be';
  return undefined;
}

/** Counts sequences of several bytes that are right and that are wrong; `open` is a sequence that the end cuts off. */
function surveyUtf8(bytes: Uint8Array): { right: number; wrong: number; open: boolean } {
  let right = 0;
  let wrong = 0;
  for (let at = 0; at < bytes.length; ) {
    const lead = bytes[at]!;
    const length = lead < 0x80 ? 1 : lead >= 0xc2 && lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0;
    if (lead < 0x80) {
      at++;
      continue;
    }
    let seen = 1;
    if (lead >= 0xc2)
      while (seen < length && at + seen < bytes.length && bytes[at + seen]! >> 6 === 2) seen++;
    if (lead >= 0xc2 && length > 0 && seen === length) right++;
    else if (length > 1 && lead >= 0xc2 && at + seen === bytes.length) return { right, wrong, open: true };
    else wrong++;
    at += lead >= 0xc2 ? seen : 1;
  }
  return { right, wrong, open: false };
}

/**
 * Finds the encoding of a text: its byte order mark, then UTF-8 when that fits, then what the sender or the document
 * itself declares, then what the bytes look like. `head` may be the beginning of a longer text.
 */
export function detectEncoding(head: Uint8Array, declared?: string): Encoding {
  const mark = marks.find(([, bytes]) => bytes.every((byte, at) => head[at] === byte));
  if (mark) return { label: mark[0], bomBytes: mark[1].length, guessed: false, invalid: false };
  const said = known(declared);
  if (said?.startsWith('utf-16')) return { label: said, bomBytes: 0, guessed: false, invalid: false };
  const wide = wideWithoutMark(head);
  if (wide) return { label: wide, bomBytes: 0, guessed: true, invalid: false };
  const { right, wrong } = surveyUtf8(head);
  if (wrong === 0) {
    // Pure ASCII fits everything; ISO-2022-JP is the encoding in use whose bytes are all ASCII.
    const label = right === 0 && said === 'iso-2022-jp' ? said : 'utf-8';
    return { label, bomBytes: 0, guessed: false, invalid: false };
  }
  if (said && said !== 'utf-8') return { label: said, bomBytes: 0, guessed: false, invalid: false };
  // A few wrong bytes in text that is otherwise UTF-8 are damage; otherwise it is an old single-byte text.
  if (right > wrong * 4) return { label: 'utf-8', bomBytes: 0, guessed: false, invalid: true };
  return { label: 'windows-1252', bomBytes: 0, guessed: true, invalid: false };
}

/** Does this look like no text at all? Other control characters than white space and escape hardly occur in text. */
export function looksBinary(head: Uint8Array): boolean {
  const length = Math.min(head.length, 65_536);
  if (
    length === 0 ||
    wideWithoutMark(head) ||
    marks.some(([, m]) => m.every((byte, at) => head[at] === byte))
  )
    return false;
  let odd = 0;
  for (let at = 0; at < length; at++) {
    const byte = head[at]!;
    if (byte < 32 && !(byte >= 9 && byte <= 13) && byte !== 27) odd++;
  }
  // A handful of stray NULs in a short text is still text.
  return odd > Math.max(4, length * 0.05);
}
