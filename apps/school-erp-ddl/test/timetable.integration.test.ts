import { beforeAll, describe, expect, test } from 'vitest';
import { enterTenant, type Queryable } from '../src/database.ts';
import { useDatabase } from './database.ts';
import { id, openSchool, refusedBy, runAs, type SchoolIds } from './school.ts';

const db = useDatabase();
let tenant: number;
let school: SchoolIds;

beforeAll(async () => {
  ({ tenant, school } = await openSchool(db, 'timetable'));
});

/** Runs statements as the tenant, together in one transaction. */
const run = (...statements: string[]) => runAs(db, tenant, statements);

describe('the timetable', () => {
  const slot = async (
    tx: Queryable,
    minutes: string,
    options: { day?: number; weeks?: string; effective?: string } = {},
  ) =>
    id(
      tx,
      `INSERT INTO timetable.slot (timetable_id, day_of_week, minutes, weeks, effective) VALUES (${school.timetable},
        ${options.day ?? 1}, '${minutes}', '${options.weeks ?? '{[1,9)}'}', '${options.effective ?? '[2026-08-01,2027-07-01)'}')`,
    );
  const put = (tx: Queryable, table: 'teacher' | 'room' | 'section', slotId: string, what: string) =>
    tx.execute(
      `INSERT INTO timetable.slot_${table} (slot_id, ${table === 'teacher' ? 'person' : table}_id, day_of_week, minutes, weeks, effective)
       SELECT id, ${what}, day_of_week, minutes, weeks, effective FROM timetable.slot WHERE id = ${slotId}`,
    );

  test.each(['teacher', 'room', 'section'] as const)('does not book a %s twice', async (what) => {
    const who =
      what === 'teacher' ? school.teachers[0]! : what === 'room' ? school.room : school.sections[0]!;
    const attempt = db.asTenant(tenant, async (tx) => {
      await put(tx, what, await slot(tx, '[480,525)'), who);
      await put(tx, what, await slot(tx, '[500,545)'), who);
    });
    await expect(attempt).rejects.toEqual(
      refusedBy(`${what === 'section' ? 'slot_section' : `${what}_time`}_clash_excl`),
    );
  });

  test('lets a teacher have lessons that only touch, in other weeks or on other days', async () => {
    const [teacher] = school.teachers;
    await db.asTenant(tenant, async (tx) => {
      await put(tx, 'teacher', await slot(tx, '[600,645)', { weeks: '{[1,2)}' }), teacher!);
      await put(tx, 'teacher', await slot(tx, '[600,645)', { weeks: '{[2,3)}' }), teacher!);
      await put(tx, 'teacher', await slot(tx, '[645,690)'), teacher!);
      await put(tx, 'teacher', await slot(tx, '[600,645)', { day: 2 }), teacher!);
    });
  });

  test('swaps two lessons when the check waits for the end of the transaction', async () => {
    const [, teacher] = school.teachers;
    await db.asTenant(tenant, async (tx) => {
      const first = await slot(tx, '[480,525)', { day: 4 });
      const second = await slot(tx, '[525,570)', { day: 4 });
      await put(tx, 'teacher', first, teacher!);
      await put(tx, 'teacher', second, teacher!);
      await tx.execute('SET CONSTRAINTS ALL DEFERRED');
      await tx.execute(`UPDATE timetable.slot SET minutes = '[525,570)' WHERE id = ${first}`);
      await tx.execute(`UPDATE timetable.slot SET minutes = '[480,525)' WHERE id = ${second}`);
    });
  });

  test('moves teachers with their lesson, and refuses the move into a clash', async () => {
    const [, , teacher] = school.teachers;
    const moved = await db.asTenant(tenant, async (tx) => {
      const first = await slot(tx, '[480,525)', { day: 5 });
      await put(tx, 'teacher', first, teacher!);
      await put(tx, 'teacher', await slot(tx, '[570,615)', { day: 5 }), teacher!);
      return first;
    });
    await expect(run(`UPDATE timetable.slot SET minutes = '[580,625)' WHERE id = ${moved}`)).rejects.toEqual(
      refusedBy('teacher_time_clash_excl'),
    );
  });

  test('nobody covers two lessons at once, and no two are moved to one room', async () => {
    const [, , , cover] = school.teachers;
    const lessons = await db.asTenant(tenant, async (tx) => [
      await slot(tx, '[480,525)', { day: 1 }),
      await slot(tx, '[500,545)', { day: 1 }),
      await slot(tx, '[545,590)', { day: 1 }),
    ]);
    for (const [constraint, change] of [
      [
        'teacher_time_clash_excl',
        (lesson: string) =>
          `INSERT INTO timetable.substitution (slot_id, day, minutes, absent_id, cover_id)
           SELECT id, '2026-11-02', minutes, ${school.teachers[0]}, ${cover} FROM timetable.slot WHERE id = ${lesson}`,
      ],
      [
        'room_time_clash_excl',
        (lesson: string) =>
          `INSERT INTO timetable.room_change (slot_id, day, minutes, room_id)
           SELECT id, '2026-11-02', minutes, ${school.room} FROM timetable.slot WHERE id = ${lesson}`,
      ],
    ] as const) {
      await run(change(lessons[0]!), change(lessons[2]!));
      await expect(run(change(lessons[1]!))).rejects.toEqual(refusedBy(constraint));
      await expect(
        run(`UPDATE timetable.slot SET minutes = '[510,560)' WHERE id = ${lessons[0]}`),
      ).rejects.toEqual(refusedBy(constraint));
      await run(`SELECT daily.swap_slots(${lessons[0]}, ${lessons[2]})`);
      await run(`DELETE FROM timetable.${constraint.startsWith('teacher') ? 'substitution' : 'room_change'}`);
    }
  });

  test('of two bookings at the same moment one wins', async () => {
    const book = () =>
      run(
        `INSERT INTO timetable.room_booking (room_id, booked_by_id, during, purpose)
         VALUES (${school.room}, ${school.teachers[0]}, '[2026-11-02 08:00, 2026-11-02 09:00)', 'x')`,
      );
    const outcomes = await Promise.allSettled(Array.from({ length: 6 }, book));
    expect(outcomes.filter((outcome) => outcome.status === 'fulfilled')).toHaveLength(1);
  });

  describe('across its tables', () => {
    const MONDAY = '2026-11-09';
    const cover = (lesson: string, absent: string, by: string | null, day = MONDAY) =>
      `INSERT INTO timetable.substitution (slot_id, day, minutes, absent_id, cover_id)
       SELECT id, '${day}', minutes, ${absent}, ${by} FROM timetable.slot WHERE id = ${lesson}`;
    const duty = (person: string, minutes: string) =>
      `INSERT INTO timetable.duty (organisation_id, person_id, day_of_week, minutes, place, effective)
       VALUES (${school.organisation}, ${person}, 1, '${minutes}', 'Yard', '[2026-08-01,2027-07-01)')`;
    const move = (lesson: string, room: string, day = MONDAY) =>
      `INSERT INTO timetable.room_change (slot_id, day, minutes, room_id)
       SELECT id, '${day}', minutes, ${room} FROM timetable.slot WHERE id = ${lesson}`;
    const book = (room: string, during: string) =>
      `INSERT INTO timetable.room_booking (room_id, booked_by_id, during, purpose) VALUES (${room}, ${school.teachers[0]}, '${during}', 'x')`;
    const newTeacher = (tx: Queryable) =>
      tx
        .one<{ id: string }>(
          `WITH p AS (INSERT INTO people.person (given_name, family_name) VALUES ('T', 'T') RETURNING id)
           INSERT INTO people.staff_member (person_id) SELECT id FROM p RETURNING person_id AS id`,
        )
        .then((row) => row.id);
    let rooms = 0;
    const newRoom = (tx: Queryable) =>
      id(
        tx,
        `INSERT INTO timetable.room (organisation_id, code, name) VALUES (${school.organisation}, 'X${rooms++}', 'x')`,
      );
    const lessonOf = async (tx: Queryable, minutes: string, teacher: string, weeks?: string) => {
      const made = await slot(tx, minutes, weeks ? { weeks } : {});
      await put(tx, 'teacher', made, teacher);
      return made;
    };

    test('nobody covers a lesson during one of their own, unless that one is covered or falls out', async () => {
      const { lesson, own, absent, by } = await db.asTenant(tenant, async (tx) => {
        const absent = await newTeacher(tx);
        const by = await newTeacher(tx);
        const lesson = await lessonOf(tx, '[480,525)', absent);
        return { lesson, own: await lessonOf(tx, '[500,545)', by), absent, by };
      });
      await expect(run(cover(lesson, absent, by))).rejects.toEqual(refusedBy('teacher_time_clash_excl'));
      await run(cover(own, by, null), cover(lesson, absent, by));
      // The lesson that fell out is back: it cannot be, while its teacher covers another.
      await expect(run(`DELETE FROM timetable.substitution WHERE slot_id = ${own}`)).rejects.toEqual(
        refusedBy('teacher_time_clash_excl'),
      );
      await expect(run(cover(lesson, absent, by, '2026-11-16'))).rejects.toEqual(
        refusedBy('teacher_time_clash_excl'),
      );
      await expect(run(duty(absent, '[470,481)'))).rejects.toEqual(refusedBy('teacher_time_clash_excl'));
      await run(duty(absent, '[470,480)'));
      await expect(
        run(`UPDATE timetable.slot SET minutes = '[475,520)' WHERE id = ${lesson}`),
      ).rejects.toEqual(refusedBy('teacher_time_clash_excl'));
    });

    test('a day is in the week of the cycle that the calendar says', async () => {
      await run(
        `INSERT INTO calendar.school_day (calendar_id, day, cycle_week, cycle_day) VALUES
          (${school.calendar}, '2026-11-23', 1, 1), (${school.calendar}, '2026-11-30', 2, 1)`,
      );
      const { lesson, absent, by } = await db.asTenant(tenant, async (tx) => {
        const absent = await newTeacher(tx);
        const by = await newTeacher(tx);
        await lessonOf(tx, '[480,525)', by, '{[2,3)}');
        return { lesson: await lessonOf(tx, '[480,525)', absent), absent, by };
      });
      await run(cover(lesson, absent, by, '2026-11-23'));
      await expect(run(cover(lesson, absent, by, '2026-11-30'))).rejects.toEqual(
        refusedBy('teacher_time_clash_excl'),
      );
    });

    test('a room is not booked during its lessons, by the clock of the tenant, nor a lesson moved into another', async () => {
      await db.client.query("UPDATE tenancy.tenant SET time_zone = 'Asia/Jakarta' WHERE id = $1", [tenant]);
      const { room, other, lesson, second } = await db.asTenant(tenant, async (tx) => {
        const room = await newRoom(tx);
        const other = await newRoom(tx);
        const lesson = await slot(tx, '[480,525)');
        const second = await slot(tx, '[480,525)');
        await put(tx, 'room', lesson, room);
        await put(tx, 'room', second, other);
        return { room, other, lesson, second };
      });
      const eight = '[2026-11-09 01:00Z, 2026-11-09 01:30Z)';
      await expect(run(book(room, eight))).rejects.toEqual(refusedBy('room_time_clash_excl'));
      // Over a night, a weekend and more: the Monday within counts.
      await expect(run(book(room, '[2026-11-06 20:00Z, 2026-11-10 02:00Z)'))).rejects.toEqual(
        refusedBy('room_time_clash_excl'),
      );
      await run(book(room, '[2026-11-09 08:00Z, 2026-11-09 09:00Z)'));
      await expect(run(move(second, room))).rejects.toEqual(refusedBy('room_time_clash_excl'));
      await run(
        `INSERT INTO timetable.room (organisation_id, code, name) VALUES (${school.organisation}, 'spare', 'x')`,
      );
      await run(move(lesson, "(SELECT id FROM timetable.room WHERE code = 'spare')"), move(second, room));
      await expect(run(book(room, eight))).rejects.toEqual(refusedBy('room_time_clash_excl'));
      await run(book(other, eight), `DELETE FROM timetable.room_booking WHERE room_id = ${other}`);
      await run(`DELETE FROM timetable.room_change WHERE slot_id = ${second}`, book(room, eight));
      await expect(run(`DELETE FROM timetable.room_change WHERE slot_id = ${lesson}`)).rejects.toEqual(
        refusedBy('room_time_clash_excl'),
      );
      await expect(run(book(room, '[2026-11-09 01:00Z,)'))).rejects.toEqual(
        refusedBy('room_booking_length_check'),
      );
    });

    test('events and detentions take the room, and a detention its supervisor, as bookings and lessons do', async () => {
      await db.client.query("UPDATE tenancy.tenant SET time_zone = 'Asia/Jakarta' WHERE id = $1", [tenant]);
      const { room, teacher, lesson } = await db.asTenant(tenant, async (tx) => {
        const room = await newRoom(tx);
        const teacher = await newTeacher(tx);
        const lesson = await lessonOf(tx, '[480,525)', teacher);
        await put(tx, 'room', lesson, room);
        return { room, teacher, lesson };
      });
      const event = (during: string, where: string | null) =>
        `INSERT INTO events.event (organisation_id, title, kind, during, room_id)
         VALUES (${school.organisation}, 'x', 'meeting', '${during}', ${where})`;
      const detention = (during: string, where: string | null, supervisor: string | null) =>
        `INSERT INTO discipline.detention (organisation_id, during, room_id, supervisor_id)
         VALUES (${school.organisation}, '${during}', ${where}, ${supervisor})`;
      const eight = '[2026-11-09 01:00Z, 2026-11-09 01:30Z)';
      const three = '[2026-11-09 08:00Z, 2026-11-09 09:00Z)';
      await expect(run(event(eight, room))).rejects.toEqual(refusedBy('room_time_clash_excl'));
      await expect(run(detention(eight, room, null))).rejects.toEqual(refusedBy('room_time_clash_excl'));
      await expect(run(detention(eight, null, teacher))).rejects.toEqual(
        refusedBy('teacher_time_clash_excl'),
      );
      await run(event(eight, null), event(three, room));
      await expect(run(book(room, three))).rejects.toEqual(refusedBy('room_time_clash_excl'));
      await expect(run(detention(three, room, teacher))).rejects.toEqual(refusedBy('room_time_clash_excl'));
      await run(`DELETE FROM events.event WHERE room_id = ${room}`, detention(three, room, teacher));
      await expect(
        run(`UPDATE timetable.slot SET minutes = '[890,910)' WHERE id = ${lesson}`),
      ).rejects.toEqual(refusedBy('teacher_time_clash_excl'));
      await run(
        `UPDATE discipline.detention SET supervisor_id = NULL, room_id = NULL WHERE supervisor_id = ${teacher}`,
        `UPDATE timetable.slot SET minutes = '[890,910)' WHERE id = ${lesson}`,
      );
      await expect(run(event('[2026-11-09 01:00Z,)', room))).rejects.toEqual(refusedBy('event_length_check'));
      await expect(run(detention('(,2026-11-09 01:00Z)', room, null))).rejects.toEqual(
        refusedBy('detention_length_check'),
      );
    });

    test('a club takes the room in which it meets', async () => {
      const room = await db.asTenant(tenant, newRoom);
      const three = '[2026-11-09 08:00Z, 2026-11-09 09:00Z)';
      const meeting = (during: string) =>
        `WITH club AS (INSERT INTO events.activity (organisation_id, academic_year_id, name)
           VALUES (${school.organisation}, ${school.year}, 'Chess ${during}') RETURNING id)
         INSERT INTO events.activity_session (activity_id, during, room_id) SELECT id, '${during}', ${room} FROM club`;
      await run(meeting(three));
      await expect(run(book(room, three))).rejects.toEqual(refusedBy('room_time_clash_excl'));
      await expect(run(meeting('[2026-11-09 08:30Z, 2026-11-09 10:00Z)'))).rejects.toEqual(
        refusedBy('room_time_clash_excl'),
      );
      await expect(run(meeting('[2026-11-09 08:00Z,)'))).rejects.toEqual(
        refusedBy('activity_session_length_check'),
      );
    });

    test('a room is booked for a whole year, not for more', async () => {
      const [whole, more] = await db.asTenant(tenant, async (tx) => [await newRoom(tx), await newRoom(tx)]);
      await run(book(whole!, '[2026-08-01 00:00Z, 2027-08-01 00:00Z)'));
      await expect(run(book(whole!, '[2027-03-01 08:00Z, 2027-03-01 09:00Z)'))).rejects.toEqual(
        refusedBy('room_time_clash_excl'),
      );
      await expect(run(book(more!, '[2026-08-01 00:00Z, 2027-08-03 00:00Z)'))).rejects.toEqual(
        refusedBy('room_booking_length_check'),
      );
    });

    test('a duty lies within a day', async () => {
      for (const minutes of ['empty', '[1320,1800)', '(,)']) {
        await expect(run(duty(school.teachers[0]!, minutes))).rejects.toEqual(
          refusedBy('duty_minutes_check'),
        );
      }
    });

    describe('by the clock and the calendar', () => {
      const zone = (name: string) =>
        db.client.query('UPDATE tenancy.tenant SET time_zone = $2 WHERE id = $1', [tenant, name]);

      test('the hour that a clock repeats is taken both times', async () => {
        await zone('America/New_York');
        const rooms = await db.asTenant(tenant, async (tx) => [await newRoom(tx), await newRoom(tx)]);
        // From half past one to a quarter past one, and from half past one to half past one.
        for (const [room, end] of [
          [rooms[0]!, '06:15Z'],
          [rooms[1]!, '06:30Z'],
        ] as const) {
          await run(book(room, `[2026-11-01 05:30Z, 2026-11-01 ${end})`));
          await expect(run(book(room, '[2026-11-01 06:00Z, 2026-11-01 06:10Z)'))).rejects.toEqual(
            refusedBy('room_time_clash_excl'),
          );
          await run(book(room, '[2026-11-01 07:30Z, 2026-11-01 08:00Z)'));
        }
      });

      test('what was kept by another time zone moves with it, and has to fit', async () => {
        await zone('Asia/Jakarta');
        const room = await db.asTenant(tenant, async (tx) => {
          const room = await newRoom(tx);
          await put(tx, 'room', await slot(tx, '[480,525)', { day: 2 }), room);
          return room;
        });
        // Eight in the evening of Tuesday there, eight in the morning in New York.
        const evening = '[2026-11-10 13:00Z, 2026-11-10 13:30Z)';
        await run(book(room, evening), book(room, '[2026-11-10 06:00Z, 2026-11-10 07:00Z)'));
        await expect(zone('America/New_York')).rejects.toEqual(refusedBy('room_time_clash_excl'));
        await run(`DELETE FROM timetable.room_booking WHERE room_id = ${room} AND during = '${evening}'`);
        await zone('America/New_York');
        // The other booking is at one at night now, and would be at six by UTC.
        await db.asTenant(tenant, async (tx) =>
          put(tx, 'room', await slot(tx, '[360,400)', { day: 2 }), room),
        );
        await expect(zone('UTC')).rejects.toEqual(refusedBy('room_time_clash_excl'));
        await zone('Asia/Jakarta');
      });

      test('a day that moves into another week of the cycle takes what is kept on it along', async () => {
        const day = '2026-12-07';
        await run(
          `INSERT INTO calendar.school_day (calendar_id, day, cycle_week, cycle_day) VALUES (${school.calendar}, '${day}', 1, 1)`,
        );
        const { lesson, absent, by, room } = await db.asTenant(tenant, async (tx) => {
          const absent = await newTeacher(tx);
          const by = await newTeacher(tx);
          const room = await newRoom(tx);
          const second = await lessonOf(tx, '[480,525)', by, '{[2,3)}');
          await put(tx, 'room', second, room);
          return { lesson: await lessonOf(tx, '[480,525)', absent), absent, by, room };
        });
        const week = (number: number) =>
          `UPDATE calendar.school_day SET cycle_week = ${number} WHERE day = '${day}'`;
        const outcomes = await Promise.allSettled([run(cover(lesson, absent, by, day)), run(week(2))]);
        expect(outcomes.filter((outcome) => outcome.status === 'fulfilled')).toHaveLength(1);
        await run(week(1), `DELETE FROM timetable.substitution WHERE cover_id = ${by}`);
        await run(cover(lesson, absent, by, day));
        await expect(run(week(2))).rejects.toEqual(refusedBy('teacher_time_clash_excl'));
        await run(
          `DELETE FROM timetable.substitution WHERE cover_id = ${by}`,
          book(room, `[${day} 01:00Z, ${day} 01:30Z)`),
        );
        await expect(run(week(2))).rejects.toEqual(refusedBy('room_time_clash_excl'));
        await expect(run(`DELETE FROM calendar.school_day WHERE day = '${day}'`)).rejects.toEqual(
          refusedBy('room_time_clash_excl'),
        );
        await run(`DELETE FROM timetable.room_booking WHERE room_id = ${room}`, week(2));
        await expect(run(cover(lesson, absent, by, day))).rejects.toEqual(
          refusedBy('teacher_time_clash_excl'),
        );
      });
    });

    test.each(['read committed', 'repeatable read'] as const)(
      'of a lesson, a cover and a duty at the same moment one wins (%s)',
      async (isolation) => {
        const { lesson, free, absent, by } = await db.asTenant(tenant, async (tx) => {
          const absent = await newTeacher(tx);
          const by = await newTeacher(tx);
          return {
            lesson: await lessonOf(tx, '[480,525)', absent),
            free: await slot(tx, '[500,545)'),
            absent,
            by,
          };
        });
        const teach = `INSERT INTO timetable.slot_teacher (slot_id, person_id, day_of_week, minutes, weeks, effective)
          SELECT id, ${by}, day_of_week, minutes, weeks, effective FROM timetable.slot WHERE id = ${free}`;
        const outcomes = await Promise.allSettled(
          [teach, cover(lesson, absent, by), duty(by, '[510,520)')].map((statement) =>
            db.client.tx(
              async (tx) => {
                await enterTenant(tx, tenant);
                await tx.execute(statement);
              },
              { isolation },
            ),
          ),
        );
        expect(outcomes.filter((outcome) => outcome.status === 'fulfilled')).toHaveLength(1);
      },
    );

    test('nobody writes the times beside the tables that they come from', async () => {
      for (const table of ['teacher_time', 'room_time']) {
        await expect(run(`DELETE FROM timetable.${table}`)).rejects.toMatchObject({ sqlState: '42501' });
      }
    });
  });
});
