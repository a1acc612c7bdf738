import mammoth from 'mammoth';
import type { TextBuilder } from './builder.ts';
import type { ByteSource } from './byte-source.ts';
import { html } from './html.ts';
import { coreProperties, openPackage } from './ooxml.ts';
import { malformed } from './zip.ts';

/** Word documents: paragraphs, lists, tables and notes, with the heading styles as sections. Images are not read. */
export async function docx(source: ByteSource, builder: TextBuilder): Promise<void> {
  const pack = await openPackage(source, builder);
  await coreProperties(pack, builder);
  // The reader below inflates and nests without counting, so every part that it can ask for passes here first.
  for (const { name } of pack.parts()) if (/\.(?:xml|rels)$/i.test(name)) await pack.parse(name, {});
  const buffer = Buffer.from(await source.read(0, source.size));
  const { value } = await mammoth
    .convertToHtml(
      { buffer },
      {
        externalFileAccess: false,
        ignoreEmptyParagraphs: true,
        convertImage: mammoth.images.imgElement(async () => ({ src: '' })),
      },
    )
    .catch((cause) => {
      throw malformed('The Word document', cause);
    });
  html(value, builder);
}
