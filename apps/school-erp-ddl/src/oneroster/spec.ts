/**
 * The files of a OneRoster CSV package, and where each column lives in the schema. Everything else (header checks,
 * validation, staging, merging, export) is derived from these tables.
 *
 * Source: 1EdTech OneRoster 1.1 and 1.2 CSV bindings.
 */

import { ONLY_11, ONLY_12, SHARED } from './spec-files.ts';

export type Version = '1.1' | '1.2';

/** What a column holds, and so how it is checked, stored and written back. */
export type Kind =
  | { readonly kind: 'text' }
  | { readonly kind: 'boolean' }
  | { readonly kind: 'date' }
  | { readonly kind: 'number' }
  /** A calendar year, four digits. */
  | { readonly kind: 'year' }
  /** Words of a fixed list; own words start with `ext:` where the list is extensible. */
  | { readonly kind: 'word'; readonly words: readonly string[]; readonly extensible: boolean }
  /** Words separated by commas, stored as text[]. */
  | { readonly kind: 'list' }
  /** Pairs such as `{LDAP:jdoe},{LTI:17}`, stored as JSON with the given property names. */
  | { readonly kind: 'pairs'; readonly keys: readonly [string, string] }
  /** The sourcedId of a record in another file. */
  | { readonly kind: 'ref'; readonly to: FileName }
  /** Several of them, stored as rows of `link`. */
  | { readonly kind: 'refs'; readonly to: FileName; readonly link: LinkTable }
  /** A clear-text password: never in a message, kept only on request. */
  | { readonly kind: 'secret'; readonly table: string; readonly owner: string };

export interface LinkTable {
  readonly table: string;
  /** Column that holds the record's own id. */
  readonly owner: string;
  /** Column that holds the id of what is referred to. */
  readonly target: string;
  /** Column that marks rows which follow the rostering source; other rows are left alone. */
  readonly marker?: string;
}

export interface Column {
  readonly name: string;
  readonly type: Kind;
  /** Column of the table; refs and secrets go elsewhere. */
  readonly column: string;
  readonly required: boolean;
  /** A record without it means nothing: lenient imports skip the record instead of leaving the column empty. */
  readonly essential: boolean;
  /** What a lenient import writes where a required value is missing or wrong. */
  readonly fallback: string | undefined;
  /** A column that some publications of the standard have and others do not. */
  readonly mayBeAbsent: boolean;
  /** Most characters, where the column is indexed; an index takes no value of any length. */
  readonly limit: number | undefined;
}

export interface FileSpec {
  readonly name: FileName;
  readonly table: string;
  readonly columns: readonly Column[];
  /** The record's own sourcedId is a user's: the column that takes the user's id. */
  readonly ownerColumn: string | undefined;
  /** Column of `table` that numbers its rows. */
  readonly idColumn: string;
}

export const FILE_NAMES = [
  'orgs',
  'academicSessions',
  'courses',
  'resources',
  'users',
  'userProfiles',
  'roles',
  'demographics',
  'classes',
  'enrollments',
  'classResources',
  'courseResources',
  'userResources',
  'categories',
  'lineItems',
  'results',
  'scoreScales',
  'lineItemScoreScales',
  'resultScoreScales',
  'lineItemLearningObjectiveIds',
  'resultLearningObjectiveIds',
] as const;
/** Data files, each after those it refers to. */
export type FileName = (typeof FILE_NAMES)[number];

function inOrder(specs: readonly FileSpec[]): readonly FileSpec[] {
  return FILE_NAMES.flatMap((name) => specs.filter((spec) => spec.name === name));
}

const SPECS: Readonly<Record<Version, readonly FileSpec[]>> = {
  '1.1': inOrder([...SHARED, ...ONLY_11]),
  '1.2': inOrder([...SHARED, ...ONLY_12]),
};

/** The data files of a version, each after those it refers to. */
export function fileSpecs(version: Version): readonly FileSpec[] {
  return SPECS[version];
}

/** One data file of a version, or undefined where the version does not have it. */
export function fileSpec(version: Version, name: FileName): FileSpec | undefined {
  return SPECS[version].find((spec) => spec.name === name);
}

/** The columns that start every data file. */
export const LEADING_COLUMNS = ['sourcedId', 'status', 'dateLastModified'] as const;

/** The header of a file, without `metadata.*` columns. */
export function headerOf(spec: FileSpec): string[] {
  return [...LEADING_COLUMNS, ...spec.columns.map((column) => column.name)];
}
