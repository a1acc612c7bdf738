import type { FaultLog } from './fault.ts';
import { FILE_NAMES, type FileName, fileSpec, type Version } from './spec.ts';

export type Mode = 'absent' | 'bulk' | 'delta';

export interface Manifest {
  readonly version: Version;
  readonly modes: ReadonlyMap<FileName, Mode>;
  readonly sourceName: string | undefined;
  readonly sourceCode: string | undefined;
}

export const MANIFEST_FILE = 'manifest.csv';

interface Property {
  readonly name: string;
  readonly value: string;
  readonly line: number;
}

/**
 * Reads the properties of a manifest. In a lenient import, names are matched without regard to case. Where no version
 * can be told, it is what the files look like (`guess`), so that their faults can be listed as well.
 */
export function readManifest(
  records: readonly { fields: readonly string[]; line: number }[],
  options: { readonly lenient: boolean; readonly guess: Version; readonly log: FaultLog },
): Manifest {
  const { lenient, guess, log } = options;
  const fault = (line: number, column: string, message: string) =>
    log.add(MANIFEST_FILE, line, column, 'MANIFEST', message);

  const [header, ...rest] = records;
  let body = rest;
  if (header?.fields.join(',') !== 'propertyName,value') {
    fault(1, 'propertyName', 'the header must be propertyName,value');
    if (header && header.fields[0]?.trim().toLowerCase() !== 'propertyname') body = [...records];
  }
  const properties = new Map<string, Property>();
  for (const { fields, line } of body) {
    const [name = '', value = ''] = fields;
    if (fields.length !== 2) fault(line, '', `a manifest line has 2 fields, not ${fields.length}`);
    if (properties.has(name)) fault(line, 'propertyName', `${name} stands twice`);
    else properties.set(name, { name, value: value.trim(), line });
  }

  const used = new Set<string>();
  const take = (name: string): Property | undefined => {
    const exact = properties.get(name);
    if (exact) {
      used.add(name);
      return exact;
    }
    if (!lenient) return undefined;
    const near = [...properties.values()].find(
      (property) => !used.has(property.name) && similar(property.name, name),
    );
    if (near) {
      used.add(near.name);
      fault(near.line, 'propertyName', `${near.name} is taken for ${name}`);
    }
    return near;
  };

  const manifestVersion = take('manifest.version');
  if (manifestVersion?.value !== '1.0') {
    fault(manifestVersion?.line ?? 0, 'value', 'manifest.version must be 1.0');
  }
  const versionProperty = take('oneroster.version');
  let version = versionOf(versionProperty?.value);
  if (!version) {
    fault(
      versionProperty?.line ?? 0,
      'value',
      versionProperty
        ? `oneroster.version is ${versionProperty.value}; 1.1 and 1.2 are known`
        : 'oneroster.version is missing',
    );
    version = guess;
  }

  const modes = new Map<FileName, Mode>();
  for (const name of FILE_NAMES) {
    if (!fileSpec(version, name)) continue;
    const property = take(`file.${name}`);
    const value = lenient ? property?.value.toLowerCase() : property?.value;
    if (value === 'absent' || value === 'bulk' || value === 'delta') modes.set(name, value);
    else {
      fault(
        property?.line ?? 0,
        property ? 'value' : 'propertyName',
        property
          ? `file.${name} is ${property.value || 'empty'}; it must be absent, bulk or delta`
          : `file.${name} is missing`,
      );
    }
  }
  const sourceName = take('source.systemName')?.value;
  const sourceCode = take('source.systemCode')?.value;
  for (const property of properties.values()) {
    if (!used.has(property.name)) {
      fault(property.line, 'propertyName', `${property.name || '(empty)'} is not a property of a manifest`);
    }
  }
  return { version, modes, sourceName, sourceCode };
}

/** 1.2.1 changed nothing in the CSV binding. */
function versionOf(value: string | undefined): Version | undefined {
  if (value === '1.1') return '1.1';
  return value === '1.2' || value === '1.2.1' ? '1.2' : undefined;
}

/** Same letters but for case, or one letter more, less or other. */
function similar(a: string, b: string): boolean {
  const left = a.trim().toLowerCase();
  const right = b.toLowerCase();
  if (left === right) return true;
  if (Math.abs(left.length - right.length) > 1) return false;
  let start = 0;
  while (start < left.length && left[start] === right[start]) start++;
  let end = 0;
  while (end < Math.min(left.length, right.length) - start && left.at(-1 - end) === right.at(-1 - end)) end++;
  return Math.max(left.length, right.length) - start - end <= 1;
}

/** The manifest of a bundle. */
export function manifestLines(manifest: Manifest): (readonly [string, string])[] {
  const lines: (readonly [string, string])[] = [
    ['propertyName', 'value'],
    ['manifest.version', '1.0'],
    ['oneroster.version', manifest.version],
  ];
  for (const name of [...FILE_NAMES].sort()) {
    if (fileSpec(manifest.version, name)) lines.push([`file.${name}`, manifest.modes.get(name) ?? 'absent']);
  }
  if (manifest.sourceName) lines.push(['source.systemName', manifest.sourceName]);
  if (manifest.sourceCode) lines.push(['source.systemCode', manifest.sourceCode]);
  return lines;
}
