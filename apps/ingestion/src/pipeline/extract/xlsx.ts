import type { TextBuilder } from './builder.ts';
import type { ByteSource } from './byte-source.ts';
import { coreProperties, openPackage, type Package } from './ooxml.ts';

/**
 * Workbooks: one table per sheet, one line per row, cells divided by tabs, dates as ISO. Rows are read as a stream
 * and only cells that are there cost anything: a workbook may claim a cell in its last corner.
 */
export async function xlsx(
  source: ByteSource,
  builder: TextBuilder,
  progress: (done: number, total: number) => void,
): Promise<void> {
  const pack = await openPackage(source, builder);
  await coreProperties(pack, builder);
  const book = await readWorkbook(pack);
  builder.budget.pages(book.sheets.length);
  builder.pages = book.sheets.length;
  const strings = await readSharedStrings(pack, builder);
  const dates = await readDateStyles(pack);
  for (const [index, { name, part }] of book.sheets.entries()) {
    await readSheet(pack, part, name, { strings, dates, epoch1904: book.epoch1904 }, builder);
    progress(index + 1, book.sheets.length);
  }
}

async function readWorkbook(pack: Package) {
  const main = 'xl/workbook.xml';
  const relations = await pack.relations(main);
  const sheets: { name: string; part: string }[] = [];
  let epoch1904 = false;
  await pack.parse(main, {
    open(tag, attributes) {
      if (tag === 'workbookPr') epoch1904 = attributes.date1904 === '1' || attributes.date1904 === 'true';
      const part = tag === 'sheet' ? relations.get(attributes['r:id'] ?? '') : undefined;
      if (part)
        sheets.push({
          name: (attributes.name ?? '').replaceAll('\0', '').slice(0, 200).toWellFormed(),
          part: part.target,
        });
    },
  });
  return { sheets, epoch1904 };
}

async function readSharedStrings(pack: Package, builder: TextBuilder): Promise<string[]> {
  const strings: string[] = [];
  let text = '';
  let inText = false;
  let phonetic = false;
  let held = 0;
  await pack.parse('xl/sharedStrings.xml', {
    open(name) {
      if (name === 'si') text = '';
      else if (name === 'rPh') phonetic = true;
      else if (name === 't') inText = !phonetic;
    },
    text(piece) {
      if (!inText) return;
      text += piece;
      held += piece.length;
      // Strings that no cell shows would count nowhere else.
      builder.budget.textBytes(held);
    },
    close(name) {
      if (name === 't') inText = false;
      else if (name === 'rPh') phonetic = false;
      else if (name === 'si') strings.push(text);
    },
  });
  return strings;
}

/** Which cell styles show a number as a date. */
async function readDateStyles(pack: Package): Promise<boolean[]> {
  const custom = new Map<string, string>();
  const styles: boolean[] = [];
  let inCells = false;
  await pack.parse('xl/styles.xml', {
    open(name, { numFmtId = '0', formatCode = '' }) {
      if (name === 'numFmt') custom.set(numFmtId, formatCode);
      else if (name === 'cellXfs') inCells = true;
      else if (name === 'xf' && inCells) styles.push(isDateFormat(Number(numFmtId), custom.get(numFmtId)));
    },
    close(name) {
      if (name === 'cellXfs') inCells = false;
    },
  });
  return styles;
}

function isDateFormat(id: number, code: string | undefined): boolean {
  // ECMA-376 part 1, 18.8.30: the built-in formats that are dates or times.
  if ((id >= 14 && id <= 22) || (id >= 45 && id <= 47)) return true;
  if (code === undefined) return false;
  // Quoted text, escaped characters and bracketed colours say nothing.
  return /[dmyhs]/i.test(code.slice(0, 200).replace(/"[^"]*"|\\.|\[[^\]]*\]/g, ''));
}

interface Book {
  strings: string[];
  dates: boolean[];
  epoch1904: boolean;
}

async function readSheet(
  pack: Package,
  part: string,
  name: string,
  book: Book,
  builder: TextBuilder,
): Promise<void> {
  builder.gap();
  const start = builder.length;
  let headerEnd: number | undefined;
  let rows = 0;
  let row: string[] = [];
  let column = 0;
  let length = 0;
  let cell = { type: 'n', style: 0 };
  let value = '';
  let inValue = false;
  const endRow = () => {
    if (row.every((text) => text === '')) return;
    builder.append(`${row.join('\t')}\n`);
    if (++rows === 1 && row.length > 1 && row.every((text) => text === '' || Number.isNaN(Number(text))))
      headerEnd = builder.length;
  };
  await pack.parse(part, {
    open(tag, attributes) {
      if (tag === 'row') {
        row = [];
        column = 0;
        length = 0;
      } else if (tag === 'c') {
        column = columnOf(attributes.r) ?? column;
        cell = { type: attributes.t ?? 'n', style: Number(attributes.s ?? 0) };
        value = '';
      } else if (tag === 'v' || tag === 't') inValue = true;
    },
    text(text) {
      if (inValue) value += text;
    },
    close(tag) {
      if (tag === 'v' || tag === 't') inValue = false;
      else if (tag === 'c') {
        // Gaps keep columns under their header, up to where tables end and stray cells begin.
        while (row.length < Math.min(column, maxGap)) row.push('');
        const text = show(value, cell, book);
        row.push(text);
        // One shared string may stand in every cell, so a row can be far longer than its part.
        length += text.length;
        builder.budget.textBytes(length);
        column++;
      } else if (tag === 'row') endRow();
    },
  });
  builder.segment(start, headerEnd === undefined ? { kind: 'table' } : { kind: 'table', headerEnd }, {
    sheet: name,
  });
}

const maxGap = 256;

/** `AB12` is column 27, counted from 0. */
function columnOf(reference: string | undefined): number | undefined {
  const letters = /^[A-Z]{1,3}/.exec(reference ?? '')?.[0];
  if (!letters) return undefined;
  let column = 0;
  for (const letter of letters) column = column * 26 + letter.charCodeAt(0) - 64;
  return column - 1;
}

function show(value: string, cell: { type: string; style: number }, book: Book): string {
  if (cell.type === 's') return oneLine(book.strings[Number(value)] ?? '');
  if (cell.type === 'b') return value === '1' ? 'TRUE' : value === '' ? '' : 'FALSE';
  if (cell.type === 'n' && value !== '' && book.dates[cell.style])
    return isoDate(Number(value), book.epoch1904) ?? value;
  if (cell.type === 'n' && value !== '') {
    const number = Number(value);
    // Files hold 0.1 + 0.2 as 0.30000000000000004; the sheet shows 15 digits.
    return Number.isFinite(number) ? String(Number(number.toPrecision(15))) : value;
  }
  return oneLine(value);
}

function oneLine(text: string): string {
  return /[\t\r\n]/.test(text) ? text.replace(/[\t\r\n]+/g, ' ') : text;
}

/** A day number as a date; with a time of day where it has one. */
function isoDate(serial: number, epoch1904: boolean): string | undefined {
  if (!Number.isFinite(serial) || serial < 0 || serial > 2_958_465.99999) return undefined;
  if (serial < 1) return new Date(Math.round(serial * 86_400) * 1000).toISOString().slice(11, 19);
  // Day 60 of the 1900 system is a 29 February that never was.
  const days = epoch1904 ? serial - 24_107 : serial - 25_569 + (serial < 60 ? 1 : 0);
  const text = new Date(Math.round(days * 86_400) * 1000).toISOString();
  return text.endsWith('T00:00:00.000Z') ? text.slice(0, 10) : text.slice(0, 19);
}
