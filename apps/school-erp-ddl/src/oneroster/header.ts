import { type FaultCode, storable } from './fault.ts';
import { type FileSpec, headerOf, LEADING_COLUMNS } from './spec.ts';

/** Where the columns of a file are, as its header says. */
export interface Layout {
  readonly width: number;
  readonly names: readonly string[];
  readonly leading: readonly [number, number, number];
  /** Where each column of the specification is; -1 where it is absent. */
  readonly indexes: readonly number[];
  readonly metadata: readonly (readonly [string, number])[];
}

type HeaderFault = (column: string, code: FaultCode, message: string) => void;

/** Matches a header with the specification; without regard to case and order in a lenient import. */
export function readHeader(
  fields: readonly string[],
  spec: FileSpec,
  lenient: boolean,
  fault: HeaderFault,
): Layout {
  const positions = new Map<string, number>();
  const loose = new Map<string, number>();
  fields.forEach((name, index) => {
    if (positions.has(name)) fault(name, 'COLUMN_UNKNOWN', `${name} stands twice in the header`);
    else positions.set(name, index);
    const key = name.trim().toLowerCase();
    if (!loose.has(key)) loose.set(key, index);
  });

  const used = new Set<number>();
  const find = (name: string, mayBeAbsent: boolean): number => {
    let index = positions.get(name) ?? -1;
    if (index === -1 && !mayBeAbsent) fault(name, 'COLUMN_MISSING', `the header has no ${name}`);
    if (index === -1 && lenient) index = loose.get(name.toLowerCase()) ?? -1;
    if (index !== -1) used.add(index);
    return index;
  };
  const leading = LEADING_COLUMNS.map((name) => find(name, false)) as [number, number, number];
  const indexes = spec.columns.map((column) => find(column.name, column.mayBeAbsent));

  const metadata: [string, number][] = [];
  fields.forEach((name, index) => {
    if (used.has(index) || positions.get(name) !== index) return;
    if (name.startsWith('metadata.') && name.length > 9) metadata.push([storable(name.slice(9)), index]);
    else {
      const kept = lenient && name.trim() !== '';
      fault(
        name,
        'COLUMN_UNKNOWN',
        `${name || '(empty)'} is not a column of ${spec.name}${kept ? '; kept as metadata' : ''}`,
      );
      if (kept) metadata.push([storable(name.trim()), index]);
    }
  });

  const present = headerOf(spec).filter((name) => positions.has(name));
  const order = fields.filter((name) => present.includes(name));
  const tail = fields.slice(present.length).every((name) => !present.includes(name));
  if (order.join() !== present.join() || !tail) {
    fault('', 'COLUMN_ORDER', `the columns must stand in this order: ${headerOf(spec).join(', ')}`);
  }
  return { width: fields.length, names: fields, leading, indexes, metadata };
}
