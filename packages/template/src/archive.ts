import { existsSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { TemplateError } from './template-error.ts';
import { readTree, type Tree } from './tree.ts';

/**
 * Name of the archive in the package that carries the template. It is no tarball, nor are the files in the package as
 * they are: npm renames some of them and leaves others out.
 */
export const archiveFile = 'template.json.gz';

interface Packed {
  readonly format: 1;
  /** Path, mode and content; what is no text as base64. */
  readonly files: readonly { path: string; executable?: true; text?: string; base64?: string }[];
}

export function packTree(tree: Tree): Buffer {
  const files = [...tree].map(([file, { content, executable }]) => {
    const text = content.toString('utf8');
    const body = Buffer.from(text).equals(content) ? { text } : { base64: content.toString('base64') };
    return { path: file, ...(executable ? { executable } : {}), ...body };
  });
  return gzipSync(JSON.stringify({ format: 1, files } satisfies Packed), { level: 9 });
}

function unpackTree(archive: Buffer): Tree {
  const { format, files } = JSON.parse(gunzipSync(archive).toString('utf8')) as Packed;
  if (format !== 1) throw new Error(`format ${format}`);
  return new Map(
    files.map(({ path: file, executable = false, text, base64 }) => {
      const content = base64 === undefined ? Buffer.from(text ?? '') : Buffer.from(base64, 'base64');
      return [file, { content, executable }];
    }),
  );
}

/** A template from a checkout of it, from an archive, or from a folder that holds an archive. */
export function readTemplate(from: string): Tree {
  const inside = path.join(from, archiveFile);
  const file = existsSync(inside) ? inside : from;
  try {
    return statSync(file).isDirectory() ? readTree(file) : unpackTree(readFileSync(file));
  } catch (cause) {
    throw new TemplateError('TEMPLATE_ARCHIVE', `${file} holds no template: ${(cause as Error).message}`, {
      hint: `name a checkout of the template, or the file ${archiveFile} of its package`,
      cause,
    });
  }
}
