import { CsvReader } from './csv.ts';
import { type FaultCode, type FaultLog, OneRosterError } from './fault.ts';
import { MANIFEST_FILE, type Manifest, type Mode, readManifest } from './manifest.ts';
import type { Package, PackageFile } from './package.ts';
import { FILE_NAMES, type FileName, fileSpec, type Version } from './spec.ts';
import { textOf } from './text.ts';

/** A package whose manifest and file names were understood. */
export interface Bundle {
  readonly version: Version;
  /** The data files to read, with what their rows mean. */
  readonly files: ReadonlyMap<FileName, { readonly mode: Mode; readonly file: PackageFile }>;
  readonly sourceName: string | undefined;
  readonly sourceCode: string | undefined;
}

interface BundleOptions {
  readonly lenient: boolean;
  readonly log: FaultLog;
}

/**
 * Reads the manifest and matches it with the files. Where they disagree the rows win: a file with rows is read
 * although the manifest calls it absent, and an empty one withdraws nothing in a lenient import.
 */
export async function openBundle(pack: Package, { lenient, log }: BundleOptions): Promise<Bundle> {
  const found = new Map<string, PackageFile>();
  const root = folderOf(pack.files);
  // A file that has its exact name counts before one that has it in other letters.
  const exactly = (file: PackageFile) => Number(knownName(file.name) === file.name);
  for (const file of pack.files.toSorted((a, b) => exactly(b) - exactly(a))) {
    const name = file.name.slice(root.length);
    const known = knownName(name);
    if (known && !found.has(known)) {
      found.set(known, file);
      if (known !== file.name) log.add(file.name, 0, '', 'FILE_UNKNOWN', `taken for ${known}`);
    } else log.add(file.name, 0, '', 'FILE_UNKNOWN', 'not a file of OneRoster at the root of the package');
  }

  if (found.size === 0) {
    throw new OneRosterError(
      'ONEROSTER_VERSION',
      `${pack.name} holds no file of OneRoster`,
      'manifest.csv and the files that it names stand at the root of the package.',
      { log },
    );
  }
  const manifest = await openManifest(found, { lenient, log });
  const files = new Map<FileName, { mode: Mode; file: PackageFile }>();
  for (const name of FILE_NAMES) {
    const csv = `${name}.csv`;
    const file = found.get(csv);
    if (!fileSpec(manifest.version, name)) {
      if (file) log.add(csv, 0, '', 'FILE_UNKNOWN', `version ${manifest.version} does not have this file`);
      continue;
    }
    const declared = manifest.modes.get(name);
    if (!file) {
      if (declared === 'bulk' || declared === 'delta') {
        log.add(csv, 0, '', 'FILE_MISSING', `the manifest says ${declared}, but the file is not there`);
      }
      continue;
    }
    if (declared === 'delta') {
      files.set(name, { mode: 'delta', file });
      continue;
    }
    if (declared === 'bulk' && !lenient) {
      files.set(name, { mode: 'bulk', file });
      continue;
    }
    const peek = await peekRows(file);
    if (!peek.hasRows) {
      if (declared === 'bulk')
        log.add(csv, 0, '', 'FILE_EMPTY', 'declared bulk but without records; taken as absent');
      continue;
    }
    if (declared === 'bulk') files.set(name, { mode: 'bulk', file });
    else {
      const mode: Mode = peek.hasStatus ? 'delta' : 'bulk';
      if (found.has(MANIFEST_FILE))
        log.add(csv, 0, '', 'MANIFEST', `the manifest does not announce this file; read as ${mode}`);
      files.set(name, { mode, file });
    }
  }
  return {
    version: manifest.version,
    files,
    sourceName: manifest.sourceName,
    sourceCode: manifest.sourceCode,
  };
}

async function openManifest(
  found: ReadonlyMap<string, PackageFile>,
  { lenient, log }: BundleOptions,
): Promise<Manifest> {
  const guess: Version = found.has('roles.csv') ? '1.2' : '1.1';
  const file = found.get(MANIFEST_FILE);
  if (!file) {
    log.add(MANIFEST_FILE, 0, '', 'FILE_MISSING', `the package has no manifest; read as version ${guess}`);
    return { version: guess, modes: new Map(), sourceName: undefined, sourceCode: undefined };
  }
  const records: { fields: string[]; line: number }[] = [];
  const reader = new CsvReader(
    {
      record: (fields, line) => records.push({ fields: [...fields], line }),
      fault: (line, message) => log.add(MANIFEST_FILE, line, '', 'CSV_SYNTAX', message),
    },
    MANIFEST_FILE,
  );
  const fault = (code: FaultCode, message: string) => log.add(MANIFEST_FILE, 1, '', code, message);
  for await (const text of textOf(await file.open(), { lenient, fault })) reader.write(text);
  reader.end();
  return readManifest(records, { lenient, guess, log });
}

/** Whether a file has records, and whether they carry a status as delta files do. */
async function peekRows(file: PackageFile): Promise<{ hasRows: boolean; hasStatus: boolean }> {
  let header: readonly string[] | undefined;
  let first: readonly string[] | undefined;
  const reader = new CsvReader(
    {
      record: (fields) => {
        if (!header) header = [...fields];
        else first ??= [...fields];
      },
      fault: () => {},
    },
    file.name,
  );
  for await (const text of textOf(await file.open(), { lenient: true, fault: () => {} })) {
    reader.write(text);
    if (first) break;
  }
  if (!first) reader.end();
  const at = header?.findIndex((name) => name.trim().toLowerCase() === 'status') ?? -1;
  return { hasRows: first !== undefined, hasStatus: Boolean(first?.[at]) };
}

function knownName(name: string): string | undefined {
  const names = [MANIFEST_FILE, ...FILE_NAMES.map((file) => `${file}.csv`)];
  return names.find((known) => known.toLowerCase() === name.toLowerCase());
}

/** `folder/` where the files lie in a folder, as some zip tools pack, whatever else they put beside it. */
function folderOf(files: readonly PackageFile[]): string {
  const folders = files
    .map((file) => file.name.slice(0, file.name.lastIndexOf('/') + 1))
    .filter((folder, i) => knownName(files[i]!.name.slice(folder.length)));
  return folders.every((folder) => folder === folders[0]) ? (folders[0] ?? '') : '';
}
