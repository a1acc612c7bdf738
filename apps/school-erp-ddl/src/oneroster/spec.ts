/**
 * The files of a OneRoster CSV package, and where each column lives in the schema. Everything else (header checks,
 * validation, staging, merging, export) is derived from these tables.
 *
 * Source: 1EdTech OneRoster 1.1 and 1.2 CSV bindings.
 */

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

interface Options {
  readonly essential?: boolean;
  readonly fallback?: string;
  readonly mayBeAbsent?: boolean;
}
type Draft = readonly [name: string, type: Kind, column: string, options?: Options];

const text: Kind = { kind: 'text' };
const boolean: Kind = { kind: 'boolean' };
const date: Kind = { kind: 'date' };
const number: Kind = { kind: 'number' };
const list: Kind = { kind: 'list' };
const ref = (to: FileName): Kind => ({ kind: 'ref', to });
const words = (...items: string[]): Kind => ({ kind: 'word', words: items, extensible: false });
const extensible = (...items: string[]): Kind => ({ kind: 'word', words: items, extensible: true });
const essential: Options = { essential: true };

const SESSION_KINDS = extensible('gradingPeriod', 'semester', 'schoolYear', 'term');
const ORG_TYPES = extensible('department', 'school', 'district', 'local', 'state', 'national');
const CLASS_TYPES = extensible('homeroom', 'scheduled');
const ENROLMENT_ROLES = extensible('administrator', 'proctor', 'student', 'teacher');
const SCORE_STATUSES = extensible('exempt', 'fully graded', 'not submitted', 'partially graded', 'submitted');
const ROLES_11 = words(
  'administrator',
  'aide',
  'guardian',
  'parent',
  'proctor',
  'relative',
  'student',
  'teacher',
);
const ROLES_12 = extensible(
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
function columns(...drafts: Draft[]): Column[] {
  return drafts.map(([name, type, column, options = {}]) => ({
    name: name.replace('*', ''),
    type,
    column,
    required: name.endsWith('*'),
    essential: options.essential ?? false,
    fallback: options.fallback,
    mayBeAbsent: options.mayBeAbsent ?? false,
  }));
}

function file(
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
const userIds: Draft = ['userIds', { kind: 'pairs', keys: ['type', 'identifier'] }, 'external_ids'];
const userPassword: Draft = [
  'password',
  { kind: 'secret', table: 'oneroster.credential', owner: 'person_id' },
  '',
];
const names: Draft[] = [
  ['givenName*', text, 'given_name', { fallback: '' }],
  ['familyName*', text, 'family_name', { fallback: '' }],
  ['middleName', text, 'middle_name'],
  ['identifier', text, 'identifier'],
  ['email', text, 'email'],
  ['sms', text, 'sms'],
  ['phone', text, 'phone'],
  agents,
  ['grades', list, 'grades'],
  userPassword,
];

const shared: FileSpec[] = [
  file(
    'orgs',
    'organisation.organisation',
    columns(
      ['name*', text, 'name', { fallback: '' }],
      ['type*', ORG_TYPES, 'type_code', { fallback: 'ext:unknown' }],
      ['identifier', text, 'identifier'],
      ['parentSourcedId', ref('orgs'), 'parent_id'],
    ),
  ),
  file(
    'academicSessions',
    'calendar.academic_session',
    columns(
      ['title*', text, 'title', { fallback: '' }],
      ['type*', SESSION_KINDS, 'kind_code', { fallback: 'ext:unknown' }],
      ['startDate*', date, 'starts_on', essential],
      ['endDate*', date, 'ends_on', essential],
      ['parentSourcedId', ref('academicSessions'), 'parent_id'],
      ['schoolYear*', { kind: 'year' }, 'school_year'],
    ),
  ),
  file(
    'courses',
    'academics.course',
    columns(
      ['schoolYearSourcedId', ref('academicSessions'), 'academic_session_id'],
      ['title*', text, 'title', { fallback: '' }],
      ['courseCode', text, 'code'],
      ['grades', list, 'grades'],
      ['orgSourcedId*', ref('orgs'), 'organisation_id'],
      ['subjects', list, 'subjects'],
      ['subjectCodes', list, 'subject_codes'],
    ),
  ),
  file(
    'resources',
    'learning.resource',
    columns(
      ['vendorResourceId*', text, 'vendor_resource_id', { fallback: '' }],
      ['title', text, 'title'],
      ['roles', list, 'roles'],
      ['importance', words('primary', 'secondary'), 'importance'],
      ['vendorId', text, 'vendor_id'],
      ['applicationId', text, 'application_id'],
    ),
  ),
  file(
    'demographics',
    'people.demographic',
    columns(
      ['birthDate', date, 'birth_date'],
      ['sex', words('male', 'female', 'unspecified', 'other'), 'sex'],
      ['americanIndianOrAlaskaNative', boolean, 'american_indian_or_alaska_native'],
      ['asian', boolean, 'asian'],
      ['blackOrAfricanAmerican', boolean, 'black_or_african_american'],
      ['nativeHawaiianOrOtherPacificIslander', boolean, 'native_hawaiian_or_other_pacific_islander'],
      ['white', boolean, 'white'],
      ['demographicRaceTwoOrMoreRaces', boolean, 'two_or_more_races'],
      ['hispanicOrLatinoEthnicity', boolean, 'hispanic_or_latino'],
      ['countryOfBirthCode', text, 'birth_country_code'],
      ['stateOfBirthAbbreviation', text, 'birth_state'],
      ['cityOfBirth', text, 'birth_city'],
      ['publicSchoolResidenceStatus', text, 'residence_status'],
    ),
    { column: 'person_id', id: 'person_id' },
  ),
  file(
    'classes',
    'academics.section',
    columns(
      ['title*', text, 'title', { fallback: '' }],
      ['grades', list, 'grades'],
      ['courseSourcedId*', ref('courses'), 'course_id'],
      ['classCode', text, 'code'],
      ['classType*', CLASS_TYPES, 'class_type', { fallback: 'scheduled' }],
      ['location', text, 'location'],
      ['schoolSourcedId*', ref('orgs'), 'organisation_id'],
      [
        'termSourcedIds*',
        {
          kind: 'refs',
          to: 'academicSessions',
          link: { table: 'academics.section_session', owner: 'section_id', target: 'academic_session_id' },
        },
        '',
      ],
      ['subjects', list, 'subjects'],
      ['subjectCodes', list, 'subject_codes'],
      ['periods', list, 'periods'],
    ),
  ),
  file(
    'enrollments',
    'enrolment.section_enrolment',
    columns(
      ['classSourcedId*', ref('classes'), 'section_id', essential],
      ['schoolSourcedId*', ref('orgs'), 'organisation_id'],
      ['userSourcedId*', ref('users'), 'person_id', essential],
      ['role*', ENROLMENT_ROLES, 'role_code', essential],
      ['primary', boolean, 'is_primary'],
      ['beginDate', date, 'begin_date'],
      ['endDate', date, 'end_date'],
    ),
  ),
  file(
    'classResources',
    'learning.section_resource',
    columns(
      ['title', text, 'title'],
      ['classSourcedId*', ref('classes'), 'section_id', essential],
      ['resourceSourcedId*', ref('resources'), 'resource_id', essential],
    ),
  ),
  file(
    'courseResources',
    'learning.course_resource',
    columns(
      ['title', text, 'title'],
      ['courseSourcedId*', ref('courses'), 'course_id', essential],
      ['resourceSourcedId*', ref('resources'), 'resource_id', essential],
    ),
  ),
];

const only11: FileSpec[] = [
  file(
    'users',
    'people.person',
    columns(
      ['enabledUser*', boolean, 'enabled', { fallback: 'true' }],
      // orgSourcedIds and role become rows of people.role_assignment; see roles-of-users.ts.
      ['orgSourcedIds*', list, ''],
      ['role*', ROLES_11, ''],
      ['username*', text, 'username'],
      userIds,
      ...names,
    ),
  ),
  file('categories', 'assessment.category', columns(['title*', text, 'title', { fallback: '' }])),
  file(
    'lineItems',
    'assessment.line_item',
    columns(
      ['title*', text, 'title', { fallback: '' }],
      ['description', text, 'description'],
      ['assignDate*', date, 'assigned_on'],
      ['dueDate*', date, 'due_on'],
      ['classSourcedId*', ref('classes'), 'section_id', essential],
      ['categorySourcedId*', ref('categories'), 'category_id'],
      ['gradingPeriodSourcedId*', ref('academicSessions'), 'academic_session_id'],
      ['resultValueMin*', number, 'value_min'],
      ['resultValueMax*', number, 'value_max'],
    ),
  ),
  file(
    'results',
    'assessment.result',
    columns(
      ['lineItemSourcedId*', ref('lineItems'), 'line_item_id', essential],
      ['studentSourcedId*', ref('users'), 'person_id', essential],
      ['scoreStatus*', SCORE_STATUSES, 'status_code', { fallback: 'ext:unknown' }],
      ['score*', number, 'score'],
      ['scoreDate*', date, 'scored_on'],
      ['comment', text, 'comment'],
    ),
  ),
];

const only12: FileSpec[] = [
  file(
    'users',
    'people.person',
    columns(
      ['enabledUser*', boolean, 'enabled', { fallback: 'true' }],
      ['username*', text, 'username'],
      userIds,
      ...names,
      ['userMasterIdentifier', text, 'master_identifier'],
      [
        'resourceSourcedIds',
        {
          kind: 'refs',
          to: 'resources',
          link: { table: 'learning.person_resource_link', owner: 'person_id', target: 'resource_id' },
        },
        '',
        { mayBeAbsent: true },
      ],
      ['preferredGivenName', text, 'preferred_given_name'],
      ['preferredMiddleName', text, 'preferred_middle_name'],
      ['preferredFamilyName', text, 'preferred_family_name'],
      ['primaryOrgSourcedId', ref('orgs'), 'primary_organisation_id'],
      ['pronouns', text, 'pronouns'],
    ),
  ),
  file(
    'userProfiles',
    'people.user_profile',
    columns(
      ['userSourcedId*', ref('users'), 'person_id', essential],
      ['profileType*', text, 'profile_type', { fallback: '' }],
      ['vendorId*', text, 'vendor_id', { fallback: '' }],
      ['applicationId', text, 'application_id'],
      ['description', text, 'description'],
      ['credentialType*', text, 'credential_type', { fallback: '' }],
      ['username*', text, 'username', { fallback: '' }],
      ['password', { kind: 'secret', table: 'oneroster.profile_credential', owner: 'user_profile_id' }, ''],
    ),
  ),
  file(
    'roles',
    'people.role_assignment',
    columns(
      ['userSourcedId*', ref('users'), 'person_id', essential],
      ['roleType*', words('primary', 'secondary'), 'role_type', { fallback: 'primary' }],
      ['role*', ROLES_12, 'role_code', essential],
      ['beginDate', date, 'begin_date'],
      ['endDate', date, 'end_date'],
      ['orgSourcedId*', ref('orgs'), 'organisation_id'],
      ['userProfileSourcedId', ref('userProfiles'), 'user_profile_id'],
    ),
  ),
  file(
    'userResources',
    'learning.person_resource',
    columns(
      ['userSourcedId*', ref('users'), 'person_id', essential],
      ['orgSourcedId', ref('orgs'), 'organisation_id'],
      ['classSourcedId', ref('classes'), 'section_id'],
      ['resourceSourcedId*', ref('resources'), 'resource_id', essential],
    ),
  ),
  file(
    'categories',
    'assessment.category',
    columns(['title*', text, 'title', { fallback: '' }], ['weight', number, 'weight']),
  ),
  file(
    'lineItems',
    'assessment.line_item',
    columns(
      ['title*', text, 'title', { fallback: '' }],
      ['description', text, 'description'],
      ['assignDate*', date, 'assigned_on'],
      ['dueDate*', date, 'due_on'],
      ['classSourcedId*', ref('classes'), 'section_id', essential],
      ['categorySourcedId*', ref('categories'), 'category_id'],
      ['academicSessionSourcedId*', ref('academicSessions'), 'academic_session_id'],
      ['resultValueMin', number, 'value_min'],
      ['resultValueMax', number, 'value_max'],
      ['schoolSourcedId*', ref('orgs'), 'organisation_id'],
    ),
  ),
  file(
    'results',
    'assessment.result',
    columns(
      ['lineItemSourcedId*', ref('lineItems'), 'line_item_id', essential],
      ['studentSourcedId*', ref('users'), 'person_id', essential],
      ['scoreStatus*', SCORE_STATUSES, 'status_code', { fallback: 'ext:unknown' }],
      ['score', number, 'score'],
      ['scoreDate*', date, 'scored_on'],
      ['comment', text, 'comment'],
      ['textScore', text, 'text_score'],
      ['classSourcedId', ref('classes'), 'section_id'],
      ['inProgress', boolean, 'in_progress'],
      ['incomplete', boolean, 'incomplete'],
      ['late', boolean, 'late'],
      ['missing', boolean, 'missing'],
    ),
  ),
  file(
    'scoreScales',
    'assessment.score_scale',
    columns(
      ['title*', text, 'title', { fallback: '' }],
      ['type*', text, 'scale_type', { fallback: '' }],
      ['orgSourcedId*', ref('orgs'), 'organisation_id'],
      ['courseSourcedId*', ref('courses'), 'course_id'],
      ['classSourcedId*', ref('classes'), 'section_id'],
      ['scoreScaleValue*', { kind: 'pairs', keys: ['left', 'right'] }, 'steps'],
    ),
  ),
  file(
    'lineItemScoreScales',
    'assessment.line_item_score_scale',
    columns(
      ['title', text, 'title'],
      ['lineItemSourcedId*', ref('lineItems'), 'line_item_id', essential],
      ['scoreScaleSourcedId*', ref('scoreScales'), 'score_scale_id', essential],
    ),
  ),
  file(
    'resultScoreScales',
    'assessment.result_score_scale',
    columns(
      ['title', text, 'title'],
      ['resultSourcedId*', ref('results'), 'result_id', essential],
      ['scoreScaleSourcedId*', ref('scoreScales'), 'score_scale_id', essential],
    ),
  ),
  file(
    'lineItemLearningObjectiveIds',
    'assessment.line_item_objective',
    columns(
      ['lineItemSourcedId*', ref('lineItems'), 'line_item_id', essential],
      ['source*', text, 'source', { fallback: '' }],
      ['learningObjectiveId*', text, 'objective_id', { fallback: '' }],
    ),
  ),
  file(
    'resultLearningObjectiveIds',
    'assessment.result_objective',
    columns(
      ['resultSourcedId*', ref('results'), 'result_id', essential],
      ['source*', text, 'source', { fallback: '' }],
      ['learningObjectiveId*', text, 'objective_id', { fallback: '' }],
      ['score', number, 'score'],
      ['textScore', text, 'text_score'],
    ),
  ),
];

function inOrder(specs: readonly FileSpec[]): readonly FileSpec[] {
  return FILE_NAMES.flatMap((name) => specs.filter((spec) => spec.name === name));
}

const SPECS: Readonly<Record<Version, readonly FileSpec[]>> = {
  '1.1': inOrder([...shared, ...only11]),
  '1.2': inOrder([...shared, ...only12]),
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
