import { fileTypeFromBuffer } from 'file-type';
import { PipelineError } from '../errors.ts';
import type { Budget } from '../extract/budget.ts';
import type { ByteSource } from '../extract/byte-source.ts';
import { openZip } from '../extract/zip.ts';
import type { Detection, Format, Note } from '../types.ts';
import { decode, detectEncoding, looksBinary } from './encoding.ts';
import { type Hint, hintFromName, hintFromType, mediaTypeOf, parseMediaType } from './names.ts';

const headBytes = 65_536;

/**
 * Finds what a document is. The content decides between binary formats; for text, where content decides little, the
 * name's ending does, then the declared type, then what the text begins with. A claim that the content contradicts
 * is noted, not believed.
 */
export async function detect(
  source: ByteSource,
  claim: { name: string; declaredType?: string | undefined },
  budget: Budget,
): Promise<Detection> {
  const head = await source.read(0, headBytes);
  const { type, charset } = parseMediaType(claim.declaredType);
  const named = hintFromName(claim.name);
  const declared = hintFromType(type);
  const notes: Note[] = [];
  const found =
    (await binaryFormat(head, source, budget, named ?? declared)) ?? textFormat(head, named, declared);
  // A sender who declares no more than "bytes" or "text" contradicts nothing.
  const claims = [named, type === 'text/plain' ? undefined : declared].filter((hint) => hint !== undefined);
  if (head.length > 0 && claims.length > 0 && !claims.some((hint) => hint.format === found.format)) {
    const said = [...new Set(claims.map((hint) => hint.mediaType))].join(' or ');
    notes.push({
      code: 'TYPE_MISMATCH',
      message: `Announced as ${said}, but the content is ${found.mediaType}`,
    });
  } else if (declared && type !== 'text/plain' && declared.format !== found.format && head.length > 0) {
    notes.push({
      code: 'TYPE_MISMATCH',
      message: `Declared as ${type}, but name and content say ${found.mediaType}`,
    });
  }
  if (!textual.has(found.format)) return { ...found, notes };
  const encoding = detectEncoding(head, charset ?? innerCharset(head, found.format));
  if (encoding.guessed) notes.push({ code: 'ENCODING_GUESSED', message: `Read as ${encoding.label}` });
  if (encoding.invalid)
    notes.push({ code: 'INVALID_ENCODING', message: `Some bytes are not valid ${encoding.label}` });
  return { ...found, encoding: encoding.label, bomBytes: encoding.bomBytes, notes };
}

const textual = new Set<Format>(['html', 'xml', 'markdown', 'text', 'csv', 'json', 'code']);

function startsWith(head: Uint8Array, ascii: string): boolean {
  return (
    Buffer.from(head.buffer, head.byteOffset, Math.min(head.length, ascii.length)).toString('latin1') ===
    ascii
  );
}

async function binaryFormat(
  head: Uint8Array,
  source: ByteSource,
  budget: Budget,
  claimed: Hint | undefined,
): Promise<Hint | undefined> {
  if (isPdf(head, claimed)) return { format: 'pdf', mediaType: mediaTypeOf('pdf') };
  if (startsWith(head, 'PK\u0003\u0004') || startsWith(head, 'PK\u0005\u0006')) {
    // Asked of the directory, so that a zip bomb is recognised without inflating it. Entries count once, on reading.
    const names = new Set((await openZip(source, budget.apart())).map((entry) => entry.name));
    const format: Format = names.has('word/document.xml')
      ? 'docx'
      : names.has('ppt/presentation.xml')
        ? 'pptx'
        : names.has('xl/workbook.xml')
          ? 'xlsx'
          : 'zip';
    return { format, mediaType: mediaTypeOf(format) };
  }
  if (startsWith(head, '\u00d0\u00cf\u0011\u00e0')) throw oldOffice(await encryptedPackage(source));
  if (startsWith(head, '{\\rtf'))
    throw new PipelineError('INGEST_UNSUPPORTED_TYPE', 'The content is RTF', {
      hint: 'Save it as DOCX or PDF and send that.',
    });
  if (!looksBinary(head)) return undefined;
  const guess = await fileTypeFromBuffer(head).catch(() => undefined);
  throw new PipelineError(
    'INGEST_UNSUPPORTED_TYPE',
    guess
      ? `The content is ${guess.mime}, which holds no text`
      : 'The content is binary and of no known format',
    {
      hint: claimed
        ? `It was announced as ${claimed.mediaType}; check that the file is whole and has the right name.`
        : 'Send PDF, Office, HTML, Markdown, text, CSV, JSON, e-mail, source code, or a zip of these.',
    },
  );
}

/** The mark may stand after other bytes; but a text that only mentions it is no PDF. */
function isPdf(head: Uint8Array, claimed: Hint | undefined): boolean {
  const at = Buffer.from(head.subarray(0, 1024)).indexOf('%PDF-');
  return at === 0 || (at > 0 && (claimed?.format === 'pdf' || looksBinary(head)));
}

/** Office wraps a document with a password into an old container that has a stream of this name. */
async function encryptedPackage(source: ByteSource): Promise<boolean> {
  const marker = Buffer.from('EncryptedPackage', 'utf16le');
  const bytes = await source.read(0, Math.min(source.size, 1 << 20));
  const tail = await source.read(Math.max(0, source.size - (1 << 20)), source.size);
  return Buffer.from(bytes).includes(marker) || Buffer.from(tail).includes(marker);
}

function oldOffice(encrypted: boolean): PipelineError {
  return encrypted
    ? new PipelineError('INGEST_ENCRYPTED', 'The document is protected by a password', {
        hint: 'Remove the password and send it again.',
      })
    : new PipelineError('INGEST_UNSUPPORTED_TYPE', 'The document is in the Office format from before 2007', {
        hint: 'Save it as DOCX, XLSX or PPTX and send that.',
      });
}

function textFormat(head: Uint8Array, named: Hint | undefined, declared: Hint | undefined): Hint {
  const start = decode(head.subarray(0, 4096), detectEncoding(head.subarray(0, 4096)));
  const sniffed = sniffText(start);
  const claim = [named, declared].find((hint) => hint && (textual.has(hint.format) || hint.format === 'eml'));
  if (claim && claim.format !== 'text') return claim;
  // The ending .txt says that a person reads it as it is.
  if (named?.format === 'text') return named;
  return sniffed ?? { format: 'text', mediaType: 'text/plain' };
}

function sniffText(start: string): Hint | undefined {
  const text = start.trimStart().slice(0, 2048);
  const hint = (format: Format): Hint => ({ format, mediaType: mediaTypeOf(format) });
  if (/^(?:<!doctype html|<html|<head|<body)\b/i.test(text)) return hint('html');
  if (text.startsWith('<?xml')) return /<html\b/i.test(text) ? hint('html') : hint('xml');
  if (/^[[{]\s*["[{\]}\d]/.test(text)) return hint('json');
  const headers = text.match(
    /^(?:From|To|Subject|Date|Received|Message-ID|MIME-Version|Return-Path|Delivered-To):/gim,
  );
  if (/^[A-Za-z-]{2,40}:/.test(text) && new Set(headers?.map((name) => name.toLowerCase())).size >= 3)
    return hint('eml');
  return undefined;
}

/** What a document says of its own encoding. */
function innerCharset(head: Uint8Array, format: Format): string | undefined {
  if (format !== 'html' && format !== 'xml') return undefined;
  const start = Buffer.from(head.subarray(0, 1024)).toString('latin1');
  return /<meta[^>]{0,200}charset\s{0,5}=\s{0,5}["']?([\w-]{2,40})|<\?xml[^>]{0,200}encoding\s{0,5}=\s{0,5}["']([\w-]{2,40})/i
    .exec(start)
    ?.slice(1)
    .find((label) => label !== undefined);
}
