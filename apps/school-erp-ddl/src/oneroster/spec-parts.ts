import type { Column, FileName, FileSpec, Kind } from './spec.ts';

export interface Options {
  readonly essential?: boolean;
  readonly fallback?: string;
  readonly mayBeAbsent?: boolean;
  readonly limit?: number;
}
export type Draft = readonly [name: string, type: Kind, column: string, options?: Options];

export const text: Kind = { kind: 'text' };
export const boolean: Kind = { kind: 'boolean' };
export const date: Kind = { kind: 'date' };
export const number: Kind = { kind: 'number' };
export const list: Kind = { kind: 'list' };
export const ref = (to: FileName): Kind => ({ kind: 'ref', to });
export const words = (...items: string[]): Kind => ({ kind: 'word', words: items, extensible: false });
const extensible = (...items: string[]): Kind => ({ kind: 'word', words: items, extensible: true });
export const essential: Options = { essential: true };
/** Two such texts of four-byte characters, as in a search name, still fit into an entry of an index. */
export const INDEXED = 320;

export const SESSION_KINDS = extensible('gradingPeriod', 'semester', 'schoolYear', 'term');
export const ORG_TYPES = extensible('department', 'school', 'district', 'local', 'state', 'national');
export const CLASS_TYPES = extensible('homeroom', 'scheduled');
export const ENROLMENT_ROLES = extensible('administrator', 'proctor', 'student', 'teacher');
export const SCORE_STATUSES = extensible(
  'exempt',
  'fully graded',
  'not submitted',
  'partially graded',
  'submitted',
);
export const ROLES_11 = words(
  'administrator',
  'aide',
  'guardian',
  'parent',
  'proctor',
  'relative',
  'student',
  'teacher',
);
export const ROLES_12 = extensible(
  'aide',
  'counselor',
  'districtAdministrator',
  'guardian',
  'parent',
  'principal',
  'proctor',
  'relative',
  'siteAdministrator',
  'student',
  'systemAdministrator',
  'teacher',
);

/** A name that ends in `*` is required. */
export function columns(...drafts: Draft[]): Column[] {
  return drafts.map(([name, type, column, options = {}]) => ({
    name: name.replace('*', ''),
    type,
    column,
    required: name.endsWith('*'),
    essential: options.essential ?? false,
    fallback: options.fallback,
    mayBeAbsent: options.mayBeAbsent ?? false,
    limit: options.limit,
  }));
}

export function file(
  name: FileName,
  table: string,
  drafts: Column[],
  owner: { column?: string; id?: string } = {},
): FileSpec {
  return { name, table, columns: drafts, ownerColumn: owner.column, idColumn: owner.id ?? 'id' };
}

const agents: Draft = [
  'agentSourcedIds',
  {
    kind: 'refs',
    to: 'users',
    link: {
      table: 'people.guardianship',
      owner: 'person_id',
      target: 'guardian_id',
      marker: 'from_source',
    },
  },
  '',
];
export const userIds: Draft = ['userIds', { kind: 'pairs', keys: ['type', 'identifier'] }, 'external_ids'];
const userPassword: Draft = [
  'password',
  { kind: 'secret', table: 'oneroster.credential', owner: 'person_id' },
  '',
];
export const names: Draft[] = [
  ['givenName*', text, 'given_name', { fallback: '', limit: INDEXED }],
  ['familyName*', text, 'family_name', { fallback: '', limit: INDEXED }],
  ['middleName', text, 'middle_name'],
  ['identifier', text, 'identifier', { limit: INDEXED }],
  ['email', text, 'email'],
  ['sms', text, 'sms'],
  ['phone', text, 'phone'],
  agents,
  ['grades', list, 'grades'],
  userPassword,
];
