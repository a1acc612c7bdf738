import { createReadStream } from 'node:fs';
import { open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { LoadError } from './load-error.ts';

/** Rows of a table in a format that COPY reads. The tenant is not among the columns: the load names it. */
export interface Source {
  readonly name: string;
  readonly table: string;
  readonly columns: readonly string[];
  readonly format: 'csv' | 'text';
  readonly bytes: number;
  /** The file from its beginning, header included. */
  open(): Readable;
}

const NAME = /^([a-z_]+\.[a-z0-9_]+)(?:\.[\w-]+)?\.(csv|tsv)$/;
const HEADER = /^[a-z_][a-z0-9_]*([,\t][a-z_][a-z0-9_]*)*$/;

/**
 * The files of a folder: `schema.table.csv` (or `.tsv`, in COPY's text format), in pieces as `schema.table.2.csv`.
 * The first line names the columns.
 * @throws LoadError `LOAD_SOURCE`, with every file that cannot be taken
 */
export async function sourcesIn(folder: string): Promise<Source[]> {
  const names = await readdir(folder).catch((cause: unknown) => {
    throw new LoadError(
      'LOAD_SOURCE',
      `${folder} is not a folder that can be read`,
      'Give the folder of the files.',
      {
        cause,
      },
    );
  });
  const files = names.filter((name) => /\.(csv|tsv)$/.test(name)).sort();
  const problems: string[] = [];
  const sources: Source[] = [];
  for (const name of files) {
    const found = NAME.exec(name);
    const header = found ? await firstLine(join(folder, name)) : '';
    if (!found) problems.push(`${name}: the name is not schema.table.csv or schema.table.tsv`);
    else if (!HEADER.test(header)) problems.push(`${name}: the first line does not name the columns`);
    else {
      const [, table, ending] = found as unknown as [string, string, 'csv' | 'tsv'];
      sources.push({
        name,
        table,
        columns: header.split(ending === 'csv' ? ',' : '\t'),
        format: ending === 'csv' ? 'csv' : 'text',
        bytes: (await stat(join(folder, name))).size,
        open: () => createReadStream(join(folder, name), { highWaterMark: 1 << 18 }),
      });
    }
  }
  if (sources.length === 0) problems.push(`${folder} has no file such as attendance.daily_mark.csv`);
  if (problems.length > 0) {
    throw new LoadError('LOAD_SOURCE', problems.join('\n'), 'Correct the files; nothing was loaded.');
  }
  return sources;
}

async function firstLine(path: string): Promise<string> {
  await using file = await open(path);
  for await (const line of file.readLines({ autoClose: false })) return line;
  return '';
}
