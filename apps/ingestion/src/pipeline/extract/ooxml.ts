import { Parser } from 'htmlparser2';
import { PipelineError } from '../errors.ts';
import type { TextBuilder } from './builder.ts';
import type { ByteSource } from './byte-source.ts';
import { openZip, type ZipEntry } from './zip.ts';

/** An Office document: named XML parts in a zip. */
export interface Package {
  has(name: string): boolean;
  /** Streams a part through a parser; does nothing when the part is missing. */
  parse(name: string, handlers: XmlHandlers): Promise<void>;
  /** The targets of a part's relations by id. External ones are left out: nothing outside the file is read. */
  relations(name: string): Promise<Map<string, { target: string; type: string }>>;
  parts(): ZipEntry[];
}

export interface XmlHandlers {
  /** Names come without their namespace prefix. */
  open?(name: string, attributes: Record<string, string>): void;
  close?(name: string): void;
  text?(text: string): void;
}

export async function openPackage(source: ByteSource, builder: TextBuilder): Promise<Package> {
  const entries = new Map<string, ZipEntry>();
  for (const entry of await openZip(source, builder.budget)) {
    if (entry.encrypted) throw encrypted();
    if (!entries.has(entry.name)) entries.set(entry.name, entry);
  }
  const parse = async (name: string, handlers: XmlHandlers) => {
    const entry = entries.get(name);
    if (entry) await parseXml(entry, handlers);
  };
  return {
    has: (name) => entries.has(name),
    parse,
    parts: () => [...entries.values()],
    async relations(name) {
      const slash = name.lastIndexOf('/');
      const folder = name.slice(0, slash + 1);
      const found = new Map<string, { target: string; type: string }>();
      await parse(`${folder}_rels/${name.slice(slash + 1)}.rels`, {
        open(tag, { Id, Target, Type = '', TargetMode }) {
          if (tag !== 'Relationship' || !Id || !Target || TargetMode === 'External') return;
          found.set(Id, { target: resolve(folder, Target), type: Type.slice(Type.lastIndexOf('/') + 1) });
        },
      });
      return found;
    },
  };
}

function encrypted(): PipelineError {
  return new PipelineError('INGEST_ENCRYPTED', 'The document is protected by a password', {
    hint: 'Remove the password and send it again.',
  });
}

function resolve(folder: string, target: string): string {
  if (target.startsWith('/')) return target.slice(1);
  const steps = folder.split('/').slice(0, -1);
  for (const step of target.split('/')) {
    if (step === '..') steps.pop();
    else if (step !== '.') steps.push(step);
  }
  return steps.join('/');
}

/** Elements in an Office part nest a few dozen levels. */
const maxDepth = 1000;

/** Only the five entities of XML and numeric ones are decoded, so a document's own entities can neither grow nor read. */
async function parseXml(entry: ZipEntry, handlers: XmlHandlers): Promise<void> {
  const local = (name: string) => name.slice(name.indexOf(':') + 1);
  let depth = 0;
  const parser = new Parser(
    {
      onopentag(name, attributes) {
        if (++depth > maxDepth)
          throw new PipelineError(
            'INGEST_TOO_DEEP',
            `Elements are nested more than ${maxDepth} levels deep`,
            {
              hint: 'Open it in the program that made it, save it again, and send that.',
            },
          );
        handlers.open?.(local(name), attributes);
      },
      onclosetag(name) {
        depth--;
        handlers.close?.(local(name));
      },
      ontext: (text) => handlers.text?.(text),
      onprocessinginstruction(name) {
        if (name.toUpperCase() !== '!DOCTYPE') return;
        throw new PipelineError(
          'INGEST_MALFORMED',
          'A part declares entities, which Office documents must not',
          {
            hint: 'Open it in the program that made it, save it again, and send that.',
          },
        );
      },
    },
    { xmlMode: true, decodeEntities: true },
  );
  const decoder = new TextDecoder();
  for await (const chunk of entry.chunks()) parser.write(decoder.decode(chunk, { stream: true }));
  parser.write(decoder.decode());
  parser.end();
}

/** Title, author and dates that Office keeps beside the content. */
export async function coreProperties(pack: Package, builder: TextBuilder): Promise<void> {
  const names: Record<string, string> = {
    title: 'title',
    creator: 'author',
    subject: 'subject',
    description: 'description',
    keywords: 'keywords',
    created: 'created',
    modified: 'modified',
    language: 'language',
  };
  let current: string | undefined;
  let value = '';
  await pack.parse('docProps/core.xml', {
    open(name) {
      current = names[name];
      value = '';
    },
    text(text) {
      if (current && value.length < 4096) value += text;
    },
    close() {
      if (current && value.trim() !== '') {
        if (current === 'title') builder.title ??= value.trim().slice(0, 500);
        else builder.metadata[current] = value.trim();
      }
      current = undefined;
    },
  });
}
