import { LOCALES, type Locale } from './names.ts';
import { Random } from './random.ts';

export interface DistrictOptions {
  readonly schools: number;
  readonly students: number;
  readonly seed: number;
  /** Names and words: `generic` or `indonesia`. */
  readonly country?: string;
  /** Whether students have guardians. */
  readonly guardians?: boolean;
  /** Calendar year in which the school year starts. */
  readonly year?: number;
}

export interface Person {
  readonly id: string;
  readonly given: string;
  readonly family: string;
  readonly sex: 'female' | 'male';
}

export interface Student extends Person {
  readonly grade: number;
  readonly birthDate: string;
  readonly guardians: readonly string[];
}

export interface Guardian extends Person {
  readonly school: string;
}

export interface Course {
  readonly id: string;
  readonly grade: number;
  /** Index into the locale's subjects; -1 for homeroom. */
  readonly subject: number;
}

export interface Section {
  readonly id: string;
  readonly course: Course;
  readonly title: string;
  readonly teacher: Person;
  readonly students: readonly Student[];
}

export interface School {
  readonly id: string;
  readonly name: string;
  /** 0 primary, 1 lower secondary, 2 upper secondary. */
  readonly stage: number;
  readonly head: Person;
  readonly teachers: readonly Person[];
  readonly students: readonly Student[];
  readonly guardians: readonly Guardian[];
  readonly sections: readonly Section[];
}

export interface District {
  readonly locale: Locale;
  readonly name: string;
  readonly year: number;
  readonly courses: readonly Course[];
  readonly schools: readonly School[];
}

const STAGE_GRADES = [
  [1, 2, 3, 4, 5, 6],
  [7, 8, 9],
  [10, 11, 12],
] as const;
const SECTION_SIZE = 30;
const STUDENTS_PER_TEACHER = 18;
const SMALLEST = 200;
const LARGEST = 6000;

/** A made-up district. The same options give the same district. */
export function makeDistrict(options: DistrictOptions): District {
  const locale = LOCALES[options.country ?? 'generic'];
  if (!locale) throw new RangeError(`no such country: ${options.country}`);
  const random = new Random(options.seed);
  const places = locale.places;
  const courses: Course[] = STAGE_GRADES.flat().flatMap((grade) =>
    [-1, ...locale.subjects.keys()].map((subject) => ({
      id: `crs-${pad(grade, 2)}-${subject < 0 ? 'HR' : locale.subjects[subject]![1]}`,
      grade,
      subject,
    })),
  );
  const counters = { users: 0, sections: 0 };
  const sizes = schoolSizes(options, random.fork('sizes'));
  const schools = sizes.map((size, i) => {
    const stage = i % 3;
    const place = places[Math.floor(i / 3) % places.length]!;
    const name = locale.school(place, stage, Math.floor(i / 3 / places.length));
    return makeSchool({ id: `org-${pad(i + 2, 4)}`, name, stage, size }, options, {
      locale,
      courses,
      counters,
      random: random.fork(`school ${i}`),
    });
  });
  return {
    locale,
    name: locale.district(places[options.seed % places.length]!),
    year: options.year ?? 2026,
    courses,
    schools,
  };
}

/** Few large schools and many small ones: log-normal, kept between 200 and 6,000 where the mean allows it. */
function schoolSizes({ schools, students }: DistrictOptions, random: Random): number[] {
  const mean = students / schools;
  const low = Math.min(SMALLEST, Math.floor(mean));
  const high = Math.max(LARGEST, Math.ceil(mean));
  const weights = Array.from({ length: schools }, () => Math.exp(random.normal() * 0.8));
  const sum = weights.reduce((a, b) => a + b, 0);
  const sizes = weights.map((w) => Math.min(high, Math.max(low, Math.round((w / sum) * students))));
  // Clipping changed the sum; spread the difference over schools that have room.
  for (let i = 0, left = students - sizes.reduce((a, b) => a + b, 0); left !== 0; i++) {
    const at = i % schools;
    const room = left > 0 ? high - sizes[at]! : low - sizes[at]!;
    const share = Math.trunc(left / schools) || Math.sign(left);
    const step = left > 0 ? Math.min(share, room) : Math.max(share, room);
    sizes[at]! += step;
    left -= step;
  }
  return sizes;
}

interface Shared {
  readonly locale: Locale;
  readonly courses: readonly Course[];
  readonly counters: { users: number; sections: number };
  readonly random: Random;
}

function makeSchool(
  school: { id: string; name: string; stage: number; size: number },
  options: DistrictOptions,
  { locale, courses, counters, random }: Shared,
): School {
  const person = (kind: string, family?: string): Person => {
    const sex = random.chance(0.5) ? 'female' : 'male';
    return {
      id: `usr-${kind}-${pad(++counters.users, 7)}`,
      given: random.pick(locale[sex]),
      family: family ?? random.pick(locale.family),
      sex,
    };
  };
  const year = options.year ?? 2026;
  const grades = STAGE_GRADES[school.stage]!;
  const head = person('a');
  const teachers = Array.from(
    { length: Math.max(grades.length, Math.ceil(school.size / STUDENTS_PER_TEACHER)) },
    () => person('t'),
  );
  const students: Student[] = [];
  const guardians: Guardian[] = [];
  for (let i = 0; i < school.size; i++) {
    const grade = grades[Math.floor((i / school.size) * grades.length)]!;
    const family = random.pick(locale.family);
    const adults = options.guardians === false ? 0 : random.chance(0.6) ? 2 : 1;
    const own = Array.from({ length: adults }, () => ({ ...person('g', family), school: school.id }));
    guardians.push(...own);
    students.push({
      ...person('s', family),
      grade,
      birthDate: `${year - 6 - grade}-${pad(random.int(1, 12), 2)}-${pad(random.int(1, 28), 2)}`,
      guardians: own.map((guardian) => guardian.id),
    });
  }
  const sections: Section[] = [];
  for (const grade of grades) {
    const inGrade = students.filter((student) => student.grade === grade);
    const groups = Math.max(1, Math.ceil(inGrade.length / SECTION_SIZE));
    for (let g = 0; g < groups; g++) {
      const group = inGrade.filter((_, i) => i % groups === g);
      for (const course of courses.filter((c) => c.grade === grade)) {
        const subject = course.subject < 0 ? 'Homeroom' : locale.subjects[course.subject]![0];
        sections.push({
          id: `cls-${pad(++counters.sections, 6)}`,
          course,
          title: `${subject} ${grade}${groupLetter(g)}`,
          teacher: random.pick(teachers),
          students: group,
        });
      }
    }
  }
  return { ...school, head, teachers, students, guardians, sections };
}

export function pad(n: number, width: number): string {
  return String(n).padStart(width, '0');
}

/** A, B, ... Z, AA, AB, ... */
function groupLetter(n: number): string {
  return (n >= 26 ? groupLetter(Math.floor(n / 26) - 1) : '') + String.fromCharCode(65 + (n % 26));
}
