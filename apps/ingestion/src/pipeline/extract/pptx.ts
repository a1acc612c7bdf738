import type { TextBuilder } from './builder.ts';
import type { ByteSource } from './byte-source.ts';
import { coreProperties, openPackage, type Package } from './ooxml.ts';

/** Presentations: each slide's text in reading order, its title as heading, and the speaker's notes. */
export async function pptx(
  source: ByteSource,
  builder: TextBuilder,
  progress: (done: number, total: number) => void,
): Promise<void> {
  const pack = await openPackage(source, builder);
  await coreProperties(pack, builder);
  const main = 'ppt/presentation.xml';
  const relations = await pack.relations(main);
  const slides: string[] = [];
  await pack.parse(main, {
    open(name, attributes) {
      const slide = name === 'sldId' ? relations.get(attributes['r:id'] ?? '') : undefined;
      if (slide) slides.push(slide.target);
    },
  });
  builder.budget.pages(slides.length);
  builder.pages = slides.length;
  for (const [index, part] of slides.entries()) {
    await readSlide(pack, part, index + 1, builder);
    progress(index + 1, slides.length);
  }
}

async function readSlide(pack: Package, part: string, slide: number, builder: TextBuilder): Promise<void> {
  const { paragraphs, title } = await shapeText(pack, part);
  const notesPart = [...(await pack.relations(part)).values()].find(({ type }) => type === 'notesSlide');
  const notes = notesPart ? (await shapeText(pack, notesPart.target)).paragraphs : [];
  // The notes page repeats the number of the slide.
  const spoken = notes.filter((text) => text !== String(slide));
  const lines = spoken.length > 0 ? [...paragraphs, 'Notes:', ...spoken] : paragraphs;
  if (lines.length === 0) return;
  builder.gap();
  const start = builder.length;
  builder.append(lines.join('\n'));
  builder.segment(
    start,
    { kind: 'prose' },
    { slide, ...(title ? { headings: [title.slice(0, 200).toWellFormed()] } : {}) },
  );
}

/** The paragraphs of a slide; table cells of a row stand in one line. */
async function shapeText(
  pack: Package,
  part: string,
): Promise<{ paragraphs: string[]; title: string | undefined }> {
  const paragraphs: string[] = [];
  let title: string | undefined;
  let inTitle = false;
  let inText = false;
  let line = '';
  let cells: string[] | undefined;
  await pack.parse(part, {
    open(name, attributes) {
      if (name === 'sp') inTitle = false;
      else if (name === 'ph') inTitle = attributes.type === 'title' || attributes.type === 'ctrTitle';
      else if (name === 't') inText = true;
      else if (name === 'br') line += '\n';
      else if (name === 'tr') cells = [];
    },
    text(text) {
      if (inText) line += text;
    },
    close(name) {
      if (name === 't') inText = false;
      else if (name === 'p') {
        const text = line.trim();
        line = '';
        if (text === '') return;
        if (inTitle) title ??= text.replace(/\s+/g, ' ').replaceAll('\0', '');
        if (cells) cells.push(text.replace(/\s+/g, ' '));
        else paragraphs.push(text);
      } else if (name === 'tr') {
        if (cells && cells.length > 0) paragraphs.push(cells.join(' | '));
        cells = undefined;
      }
    },
  });
  return { paragraphs, title };
}
