import { csvLine, joinList } from '../oneroster/csv.ts';
import { MANIFEST_FILE, type Manifest, manifestLines } from '../oneroster/manifest.ts';
import { type FileName, fileSpec, fileSpecs, headerOf, type Version } from '../oneroster/spec.ts';
import type { BundleFile } from '../oneroster/write.ts';
import { type District, type Person, pad, type School, type Section } from './district.ts';
import { Random } from './random.ts';

export interface BundleOptions {
  readonly version: Version;
  /** Pieces of marked work in each class; 0 for a bundle without a gradebook. */
  readonly lineItems?: number;
  readonly seed?: number;
}

type Fields = Readonly<Record<string, string>>;
/** sourcedId and the fields that are not blank, by column name. */
type Rows = Iterable<readonly [string, Fields]>;

const DISTRICT = 'org-0001';
const CATEGORIES = [
  ['cat-exam', 'Exam', '0.6'],
  ['cat-homework', 'Homework', '0.4'],
] as const;

/** The files of a OneRoster bundle of a district, in the order of their names; records in that of their sourcedIds. */
export function bundleFiles(district: District, options: BundleOptions): BundleFile[] {
  const { version } = options;
  const sources: Partial<Record<FileName, () => Rows>> = {
    orgs: () => orgs(district),
    academicSessions: () => sessions(district),
    courses: () => courses(district),
    users: () => users(district, version),
    demographics: () => demographics(district),
    classes: () => classes(district),
    enrollments: () => enrollments(district),
  };
  if (version === '1.2') sources.roles = () => roles(district);
  if ((options.lineItems ?? 0) > 0) {
    sources.categories = () => categories(version);
    sources.lineItems = () => lineItems(district, options);
    sources.results = () => results(district, options);
  }
  const manifest: Manifest = {
    version,
    modes: new Map(Object.keys(sources).map((name) => [name as FileName, 'bulk'])),
    sourceName: `${district.name} (generated)`,
    sourceCode: 'erp-generate',
  };
  const files: BundleFile[] = [
    { name: MANIFEST_FILE, lines: () => manifestLines(manifest).map(csvLine) },
    ...fileSpecs(version)
      .filter((spec) => sources[spec.name])
      .map((spec) => ({
        name: `${spec.name}.csv`,
        lines: () => lines(spec.name, version, sources[spec.name]!()),
      })),
  ];
  return files.sort((a, b) => (a.name < b.name ? -1 : 1));
}

function* lines(name: FileName, version: Version, rows: Rows): Generator<string> {
  const header = headerOf(fileSpec(version, name)!);
  yield csvLine(header);
  for (const [id, fields] of rows) {
    yield csvLine([id, '', '', ...header.slice(3).map((column) => fields[column] ?? '')]);
  }
}

function* orgs({ name, schools }: District): Generator<readonly [string, Fields]> {
  yield [DISTRICT, { name, type: 'district', identifier: '1000' }];
  for (const [i, school] of schools.entries()) {
    yield [
      school.id,
      { name: school.name, type: 'school', identifier: String(1001 + i), parentSourcedId: DISTRICT },
    ];
  }
}

function* sessions({ year }: District): Generator<readonly [string, Fields]> {
  const session = (
    title: string,
    type: string,
    startDate: string,
    endDate: string,
    parent: string,
  ): Fields => ({
    title,
    type,
    startDate,
    endDate,
    parentSourcedId: parent,
    schoolYear: String(year + 1),
  });
  const next = year + 1;
  yield ['ses-1', session(`${year}/${next}`, 'schoolYear', `${year}-08-01`, `${next}-07-01`, '')];
  yield ['ses-1-1', session('Semester 1', 'semester', `${year}-08-01`, `${next}-01-01`, 'ses-1')];
  yield ['ses-1-1-1', session('Period 1', 'gradingPeriod', `${year}-08-01`, `${year}-10-15`, 'ses-1-1')];
  yield ['ses-1-1-2', session('Period 2', 'gradingPeriod', `${year}-10-15`, `${next}-01-01`, 'ses-1-1')];
  yield ['ses-1-2', session('Semester 2', 'semester', `${next}-01-01`, `${next}-07-01`, 'ses-1')];
  yield ['ses-1-2-1', session('Period 3', 'gradingPeriod', `${next}-01-01`, `${next}-04-01`, 'ses-1-2')];
  yield ['ses-1-2-2', session('Period 4', 'gradingPeriod', `${next}-04-01`, `${next}-07-01`, 'ses-1-2')];
}

function* courses({ courses: all, locale }: District): Generator<readonly [string, Fields]> {
  for (const { id, grade, subject } of [...all].sort(byId)) {
    const [title, code] = subject < 0 ? ['Homeroom', 'HR'] : locale.subjects[subject]!;
    yield [
      id,
      {
        schoolYearSourcedId: 'ses-1',
        title: `${title} ${grade}`,
        courseCode: `${code}${pad(grade, 2)}`,
        grades: pad(grade, 2),
        orgSourcedId: DISTRICT,
        subjects: joinList([title]),
        subjectCodes: code,
      },
    ];
  }
}

interface User {
  readonly person: Person;
  readonly role: string;
  readonly school: string;
  readonly fields: Fields;
}

/** Heads (a), guardians (g), students (s), teachers (t): the order of their sourcedIds. */
function* people({ schools }: District): Generator<User> {
  for (const school of schools) yield user(school, school.head, 'principal');
  for (const school of schools) for (const person of school.guardians) yield user(school, person, 'guardian');
  for (const school of schools) {
    for (const student of school.students) {
      yield user(school, student, 'student', {
        grades: pad(student.grade, 2),
        agentSourcedIds: student.guardians.join(','),
        identifier: student.id.slice(6),
      });
    }
  }
  for (const school of schools) for (const person of school.teachers) yield user(school, person, 'teacher');
}

function user(school: School, person: Person, role: string, fields: Fields = {}): User {
  return { person, role, school: school.id, fields };
}

function* users(district: District, version: Version): Generator<readonly [string, Fields]> {
  for (const { person, role, school, fields } of people(district)) {
    const username = `${person.given}.${person.family}.${Number(person.id.slice(6))}`.toLowerCase();
    const base: Fields = {
      enabledUser: 'true',
      username,
      givenName: person.given,
      familyName: person.family,
      email: `${username}@${district.locale.mailDomain}`,
      ...fields,
    };
    const own: Fields =
      version === '1.1'
        ? { orgSourcedIds: school, role: role === 'principal' ? 'administrator' : role }
        : { primaryOrgSourcedId: school };
    yield [person.id, { ...base, ...own }];
  }
}

function* roles(district: District): Generator<readonly [string, Fields]> {
  for (const { person, role, school } of people(district)) {
    yield [`rol-${person.id}`, { userSourcedId: person.id, roleType: 'primary', role, orgSourcedId: school }];
  }
}

function* demographics({ schools, locale }: District): Generator<readonly [string, Fields]> {
  for (const { students } of schools) {
    for (const { id, birthDate, sex } of students) {
      yield [id, { birthDate, sex, countryOfBirthCode: locale.country }];
    }
  }
}

function* everySection({ schools }: District): Generator<readonly [School, Section]> {
  for (const school of schools) for (const section of school.sections) yield [school, section];
}

function* classes(district: District): Generator<readonly [string, Fields]> {
  for (const [school, { id, title, course }] of everySection(district)) {
    const subject = course.subject < 0 ? undefined : district.locale.subjects[course.subject]!;
    yield [
      id,
      {
        title,
        grades: pad(course.grade, 2),
        courseSourcedId: course.id,
        classCode: id.slice(4),
        classType: subject ? 'scheduled' : 'homeroom',
        schoolSourcedId: school.id,
        termSourcedIds: 'ses-1-1,ses-1-2',
        subjects: subject ? joinList([subject[0]]) : '',
        subjectCodes: subject?.[1] ?? '',
        periods: '',
      },
    ];
  }
}

function* enrollments(district: District): Generator<readonly [string, Fields]> {
  let n = 0;
  const dates = { beginDate: `${district.year}-08-01`, endDate: `${district.year + 1}-07-01` };
  for (const [school, section] of everySection(district)) {
    const place = { classSourcedId: section.id, schoolSourcedId: school.id };
    yield [
      `enr-${pad(++n, 8)}`,
      { ...place, userSourcedId: section.teacher.id, role: 'teacher', primary: 'true', ...dates },
    ];
    for (const student of section.students) {
      yield [`enr-${pad(++n, 8)}`, { ...place, userSourcedId: student.id, role: 'student', ...dates }];
    }
  }
}

function* categories(version: Version): Generator<readonly [string, Fields]> {
  for (const [id, title, weight] of CATEGORIES) {
    yield [id, version === '1.2' ? { title, weight } : { title }];
  }
}

function* marked(district: District, { lineItems: count = 0 }: BundleOptions) {
  let n = 0;
  for (const [school, section] of everySection(district)) {
    if (section.course.subject < 0) continue;
    for (let i = 0; i < count; i++) yield { id: `lin-${pad(++n, 7)}`, i, school, section };
  }
}

function* lineItems(district: District, options: BundleOptions): Generator<readonly [string, Fields]> {
  for (const { id, i, school, section } of marked(district, options)) {
    const month = 8 + (i % 4);
    const session = month < 10 ? 'ses-1-1-1' : 'ses-1-1-2';
    const fields: Record<string, string> = {
      title: `${section.title}, work ${i + 1}`,
      assignDate: `${district.year}-${pad(month, 2)}-05`,
      dueDate: `${district.year}-${pad(month, 2)}-12`,
      classSourcedId: section.id,
      categorySourcedId: CATEGORIES[i % 2]![0],
      resultValueMin: '0',
      resultValueMax: '100',
    };
    if (options.version === '1.1') fields.gradingPeriodSourcedId = session;
    else Object.assign(fields, { academicSessionSourcedId: session, schoolSourcedId: school.id });
    yield [id, fields];
  }
}

function* results(district: District, options: BundleOptions): Generator<readonly [string, Fields]> {
  const random = new Random(options.seed ?? 1).fork('results');
  let n = 0;
  for (const { id, i, section } of marked(district, options)) {
    for (const student of section.students) {
      const score = Math.round(Math.min(100, Math.max(0, 72 + random.normal() * 14)));
      const fields: Record<string, string> = {
        lineItemSourcedId: id,
        studentSourcedId: student.id,
        scoreStatus: 'fully graded',
        score: String(score),
        scoreDate: `${district.year}-${pad(8 + (i % 4), 2)}-15`,
      };
      if (options.version === '1.2') fields.classSourcedId = section.id;
      yield [`res-${pad(++n, 8)}`, fields];
    }
  }
}

function byId(a: { readonly id: string }, b: { readonly id: string }): number {
  return a.id < b.id ? -1 : 1;
}
