import { Document, HeadingLevel, Packer, Paragraph, Table, TableCell, TableRow, TextRun } from 'docx';
import { strToU8, type Zippable, zipSync } from 'fflate';
import { PDFDocument, PDFName, PDFString, StandardFonts } from 'pdf-lib';
import pptxgen from 'pptxgenjs';
import writeExcel from 'write-excel-file/node';

// Makers of small real documents, each by the library that people make such documents with where there is one.

/** One page per text; lines of a page are divided by a newline. */
export async function makePdf(pages: string[], info: { title?: string } = {}): Promise<Uint8Array> {
  const pdf = await PDFDocument.create();
  const font = await pdf.embedFont(StandardFonts.Helvetica);
  if (info.title) pdf.setTitle(info.title);
  for (const text of pages) {
    const page = pdf.addPage([595, 842]);
    for (const [at, line] of text.split('\n').entries())
      if (line !== '') page.drawText(line, { x: 50, y: 780 - at * 16, size: 11, font });
  }
  return pdf.save();
}

/** A PDF from its objects, in the plain form of version 1.4. */
export function rawPdf(objects: string[], trailer = ''): Uint8Array {
  let text = '%PDF-1.4\n';
  const offsets = objects.map((body, at) => {
    const offset = text.length;
    text += `${at + 1} 0 obj\n${body}\nendobj\n`;
    return offset;
  });
  const start = text.length;
  const rows = offsets.map((offset) => `${String(offset).padStart(10, '0')} 00000 n \n`).join('');
  text += `xref\n0 ${objects.length + 1}\n0000000000 65535 f \n${rows}`;
  text += `trailer\n<< /Size ${objects.length + 1} /Root 1 0 R ${trailer} >>\nstartxref\n${start}\n%%EOF\n`;
  return Buffer.from(text, 'latin1');
}

/** Asks for a password, as the standard security handler does: nothing matches these keys. */
export function encryptedPdf(): Uint8Array {
  return rawPdf(
    [
      '<< /Type /Catalog /Pages 2 0 R >>',
      '<< /Type /Pages /Kids [3 0 R] /Count 1 >>',
      '<< /Type /Page /Parent 2 0 R /MediaBox [0 0 100 100] >>',
      `<< /Filter /Standard /V 1 /R 2 /O <${'ab'.repeat(32)}> /U <${'cd'.repeat(32)}> /P -4 >>`,
    ],
    `/Encrypt 4 0 R /ID [<${'00'.repeat(16)}> <${'00'.repeat(16)}>]`,
  );
}

export async function makeDocx(): Promise<Uint8Array> {
  const cell = (text: string) => new TableCell({ children: [new Paragraph(text)] });
  const document = new Document({
    title: 'Travel policy',
    creator: 'Ada',
    sections: [
      {
        children: [
          new Paragraph({ text: 'Trains', heading: HeadingLevel.HEADING_1 }),
          new Paragraph({
            children: [
              new TextRun('Take the '),
              new TextRun({ text: 'night', bold: true }),
              new TextRun(' train.'),
            ],
          }),
          new Paragraph({ text: 'Refunds', heading: HeadingLevel.HEADING_2 }),
          new Paragraph('Ask within ten days.'),
          new Table({
            rows: [
              new TableRow({ children: [cell('Class'), cell('Price')] }),
              new TableRow({ children: [cell('Second'), cell('40')] }),
            ],
          }),
        ],
      },
    ],
  });
  return Packer.toBuffer(document);
}

/** A Word document around a given body, with more parts when asked. */
export function rawDocx(body: string, more: Zippable = {}, prolog = ''): Uint8Array {
  const word = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"';
  const relations = 'http://schemas.openxmlformats.org/officeDocument/2006/relationships';
  return zipSync({
    '[Content_Types].xml': strToU8(
      '<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Override PartName="/word/document.xml" ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>',
    ),
    '_rels/.rels': strToU8(
      `<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="${relations}/officeDocument" Target="word/document.xml"/></Relationships>`,
    ),
    'word/document.xml': strToU8(
      `<?xml version="1.0"?>${prolog}<w:document ${word} xmlns:r="${relations}" xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main" xmlns:wp="http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing" xmlns:pic="http://schemas.openxmlformats.org/drawingml/2006/picture"><w:body>${body}</w:body></w:document>`,
    ),
    ...more,
  });
}

export async function makePptx(): Promise<Uint8Array> {
  // Its types describe the CommonJS build; Node loads the other one.
  const deck = new (pptxgen as unknown as typeof pptxgen.default)();
  deck.title = 'Quarter';
  deck.defineSlideMaster({
    title: 'TITLED',
    objects: [
      { placeholder: { options: { name: 'title', type: 'title', x: 0, y: 0, w: 8, h: 1 }, text: '' } },
    ],
  });
  const first = deck.addSlide({ masterName: 'TITLED' });
  first.addText('Numbers', { placeholder: 'title' });
  first.addText('Sales went up', { x: 1, y: 2, w: 5, h: 1 });
  first.addNotes('Mention the new shop');
  const second = deck.addSlide();
  second.addTable([
    [{ text: 'City' }, { text: 'Shops' }],
    [{ text: 'Graz' }, { text: '3' }],
  ]);
  return (await deck.write({ outputType: 'nodebuffer' })) as Buffer;
}

export async function makeXlsx(): Promise<Uint8Array> {
  const bold = (value: string) => ({ value, fontWeight: 'bold' as const });
  const sheet = (name: string, rows: number) => ({
    sheet: name,
    data: [
      [bold('Name'), bold('Born'), bold('Points')],
      ...Array.from({ length: rows }, (_, at) => [
        { type: String, value: `Person ${at + 1}` },
        { type: Date, value: new Date(Date.UTC(1990, 0, at + 1)), format: 'yyyy-mm-dd' },
        { type: Number, value: at + 0.5 },
      ]),
    ],
  });
  return writeExcel([sheet('People', 3), sheet('More', 1)]).toBuffer();
}

/** A workbook of one sheet from the XML of its rows. */
export function rawXlsx(rows: string, more: Zippable = {}, prolog = ''): Uint8Array {
  const main = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"';
  const relations = 'http://schemas.openxmlformats.org/officeDocument/2006/relationships';
  return zipSync({
    'xl/workbook.xml': strToU8(
      `<workbook ${main} xmlns:r="${relations}"><sheets><sheet name="One" sheetId="1" r:id="rId1"/></sheets></workbook>`,
    ),
    'xl/_rels/workbook.xml.rels': strToU8(
      `<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="${relations}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>`,
    ),
    'xl/worksheets/sheet1.xml': strToU8(
      `<?xml version="1.0"?>${prolog}<worksheet ${main}><sheetData>${rows}</sheetData></worksheet>`,
    ),
    ...more,
  });
}

/** A message with both bodies and one attachment. */
export function makeEml(attachment: { name: string; type: string; bytes: Uint8Array }): Uint8Array {
  return Buffer.from(
    [
      'From: Ada <ada@example.org>',
      'To: Bob <bob@example.org>',
      'Subject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?=',
      'Date: Fri, 06 Mar 2026 10:00:00 +0000',
      'Message-ID: <1@example.org>',
      'MIME-Version: 1.0',
      'Content-Type: multipart/mixed; boundary="b"',
      '',
      '--b',
      'Content-Type: text/plain; charset=utf-8',
      '',
      'The report is attached.',
      '--b',
      `Content-Type: ${attachment.type}`,
      `Content-Disposition: attachment; filename="${attachment.name}"`,
      'Content-Transfer-Encoding: base64',
      '',
      Buffer.from(attachment.bytes).toString('base64').replace(/.{76}/g, '$&\r\n'),
      '--b--',
      '',
    ].join('\r\n'),
  );
}

/** A zip of texts and bytes. */
export function makeZip(files: Record<string, string | Uint8Array>): Uint8Array {
  return zipSync(
    Object.fromEntries(
      Object.entries(files).map(([name, content]) => [
        name,
        typeof content === 'string' ? strToU8(content) : content,
      ]),
    ),
  );
}

/** `bytes` zero bytes, deflated a thousandfold, under one name. */
export function zeros(bytes: number): Uint8Array {
  return new Uint8Array(bytes);
}

/** The same archive inside an archive, `levels` deep. */
export function nestedZip(levels: number, core: Record<string, string>): Uint8Array {
  let zip = makeZip(core);
  for (let level = 1; level < levels; level++) zip = makeZip({ 'inner.zip': zip });
  return zip;
}

/** Plain sentences of about `bytes` bytes, different for each `seed`. */
export function prose(bytes: number, seed = 1): string {
  const words =
    'river stone paper window garden letter market winter silver bridge morning ticket valley copper engine'.split(
      ' ',
    );
  let state = seed;
  const next = (below: number) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return (state >>> 16) % below;
  };
  let text = '';
  while (text.length < bytes) {
    const sentence = Array.from({ length: 6 + next(10) }, () => words[next(words.length)]).join(' ');
    text += `${sentence[0]!.toUpperCase()}${sentence.slice(1)}.${next(6) === 0 ? '\n\n' : ' '}`;
  }
  return text.slice(0, bytes);
}

const common =
  'the of and to in a is that it was for on are as with they at be this from have or by one had not but what all were when we there can an your which their said if do will each about how up out them then she many some so these would other into has more her two like him see time could no make than first been its who now people my made over did down only way find use may water long little very after words called just where most know';

/**
 * Text with the statistics of English: words repeat by Zipf's law over `vocabulary` words of 2 to 12 letters, of which
 * the commonest are the stop words.
 */
export function article(bytes: number, seed = 1, vocabulary = 8000): string {
  let state = seed;
  const next = () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
  const stop = common.split(' ');
  const syllables =
    'an ber con dor el fin gar hol in jor kel lan mor nes or pel quin ras sol tan ur vel win yor'.split(' ');
  const word = (rank: number): string => {
    if (rank < stop.length) return stop[rank]!;
    let made = '';
    for (let rest = rank; rest > 0; rest = Math.floor(rest / syllables.length))
      made += syllables[rest % syllables.length];
    return made;
  };
  let text = '';
  while (text.length < bytes) {
    const words = Array.from({ length: 8 + Math.floor(next() * 16) }, () =>
      word(Math.floor(vocabulary ** next()) - 1),
    );
    const sentence = words.join(' ');
    text += `${sentence[0]!.toUpperCase()}${sentence.slice(1)}.${next() < 0.15 ? '\n\n' : ' '}`;
  }
  return text.slice(0, bytes);
}

/** The flag that says "encrypted", in both headers of a plain archive. */
export function encryptedZip(): Uint8Array {
  const zip = Buffer.from(makeZip({ 'a.txt': 'closed' }));
  const central = zip.indexOf('PK\u0001\u0002', 0, 'latin1');
  zip[6]! |= 1;
  zip[central + 8]! |= 1;
  return zip;
}

/** A page that draws a form that draws itself, twice. */
export function selfDrawingPdf(): Uint8Array {
  const stream = (content: string, entries = '') =>
    `<< ${entries} /Length ${content.length} >>\nstream\n${content}\nendstream`;
  const itself = '/Resources << /XObject << /X 5 0 R >> >>';
  return rawPdf([
    '<< /Type /Catalog /Pages 2 0 R >>',
    '<< /Type /Pages /Kids [3 0 R] /Count 1 >>',
    `<< /Type /Page /Parent 2 0 R /MediaBox [0 0 100 100] /Contents 4 0 R ${itself} >>`,
    stream('/X Do'),
    stream('/X Do /X Do', `/Type /XObject /Subtype /Form /BBox [0 0 1 1] ${itself}`),
  ]);
}

/** An archive whose `entries` names all lead to the same few bytes, which inflate to `bytes` zeros. */
export function overlappingZip(entries: number, bytes: number): Uint8Array {
  const zip = Buffer.from(makeZip({ 'zeros.txt': zeros(bytes) }));
  const start = zip.indexOf('PK\u0001\u0002', 0, 'latin1');
  const end = zip.indexOf('PK\u0005\u0006', 0, 'latin1');
  const record = zip.subarray(start, end);
  const tail = Buffer.from(zip.subarray(end));
  tail.writeUInt16LE(entries, 8);
  tail.writeUInt16LE(entries, 10);
  tail.writeUInt32LE(record.length * entries, 12);
  return Buffer.concat([zip.subarray(0, start), ...Array.from({ length: entries }, () => record), tail]);
}

/** One page of text whose opening, if a reader did as it says, runs a script, starts a program and sends its content away. */
export async function activePdf(text: string, url: string): Promise<Uint8Array> {
  const pdf = await PDFDocument.load(await makePdf([text]));
  const action = (entries: object) => pdf.context.obj({ Type: 'Action', ...entries });
  const next = [
    action({ S: 'Launch', F: PDFString.of('/bin/sh') }),
    action({ S: 'SubmitForm', F: PDFString.of(url) }),
    action({ S: 'URI', URI: PDFString.of(url) }),
  ];
  const script = PDFString.of(`app.launchURL('${url}'); while (true) {}`);
  pdf.catalog.set(PDFName.of('OpenAction'), action({ S: 'JavaScript', JS: script, Next: next }));
  pdf.catalog.set(PDFName.of('AA'), pdf.context.obj({ WC: action({ S: 'JavaScript', JS: script }) }));
  return pdf.save();
}
