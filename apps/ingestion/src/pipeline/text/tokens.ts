/**
 * Estimates tokens without a vocabulary: the tables of a real tokenizer cost megabytes and most of the time budget of
 * a small document. Weighed against o200k_base in the tests: never far below for the texts we know, mostly a little
 * above, so a chunk within the budget is within a model's limit.
 */
export function countTokens(text: string, start = 0, end = text.length): number {
  let tokens = 0;
  let word = 0;
  let digits = 0;
  let spaces = 0;
  for (let at = start; at < end; at++) {
    const unit = text.charCodeAt(at);
    if ((unit >= 97 && unit <= 122) || (unit >= 65 && unit <= 90)) {
      spaces = 0;
      word++;
      continue;
    }
    if (word > 0) {
      tokens += wordTokens(word);
      word = 0;
    }
    if (unit >= 48 && unit <= 57) {
      // Numbers are cut in groups of three.
      if (digits % 3 === 0) tokens += 1;
      digits++;
      spaces = 0;
      continue;
    }
    digits = 0;
    if (unit === 32) {
      spaces++;
      // One space belongs to the next word; a longer run is a token of its own, and a very long one is several.
      if (spaces === 2 || spaces % 32 === 0) tokens += 1;
      continue;
    }
    spaces = 0;
    if (unit < 128) tokens += unit === 10 ? 0.6 : 0.8;
    else tokens += beyondAscii(unit);
  }
  if (word > 0) tokens += wordTokens(word);
  return Math.ceil(tokens);
}

/** English words up to seven letters are mostly one token; longer ones and identifiers take more. */
function wordTokens(length: number): number {
  return length <= 7 ? 1 : length <= 12 ? 1.5 : length / 5;
}

function beyondAscii(unit: number): number {
  if (unit < 0x0250) return 0.9; // accented Latin
  if (unit < 0x0600) return 0.45; // Greek, Cyrillic, Hebrew
  if (unit < 0x0e00) return 0.5; // Arabic, Indic
  if (unit < 0x2000) return 0.9;
  if (unit < 0x3000) return 1; // punctuation and symbols
  if (unit < 0xd800) return 0.95; // CJK, kana, hangul
  if (unit < 0xe000) return 1; // half of a pair
  return 1;
}

/** The bytes that a stretch takes as UTF-8. */
export function countBytes(text: string, start = 0, end = text.length): number {
  let bytes = 0;
  for (let at = start; at < end; at++) {
    const unit = text.charCodeAt(at);
    // Each half of a surrogate pair counts two of the pair's four bytes.
    bytes += unit < 0x80 ? 1 : unit < 0x800 || (unit >= 0xd800 && unit < 0xe000) ? 2 : 3;
  }
  return bytes;
}
