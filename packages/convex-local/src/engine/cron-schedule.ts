import { Cron } from 'croner';

const WEEKDAYS = ['sunday', 'monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday'];

/** The first time after `now` (milliseconds) that a schedule of `crons.ts` names. */
export function nextCronTime(
  schedule: Readonly<Record<string, unknown>> & { readonly type: string },
  now: number,
): number {
  const { type } = schedule;
  if (type === 'interval') {
    const { seconds = 0, minutes = 0, hours = 0 } = schedule as Record<string, number>;
    return now + (Number(seconds) + Number(minutes) * 60 + Number(hours) * 3600) * 1000;
  }
  const minute = schedule.minuteUTC ?? 0;
  const hour = schedule.hourUTC ?? 0;
  const expression =
    type === 'cron'
      ? String(schedule.cron)
      : type === 'hourly'
        ? `${minute} * * * *`
        : type === 'daily'
          ? `${minute} ${hour} * * *`
          : type === 'weekly'
            ? `${minute} ${hour} * * ${WEEKDAYS.indexOf(String(schedule.dayOfWeek))}`
            : `${minute} ${hour} ${schedule.day} * *`;
  const next = new Cron(expression, { timezone: 'UTC' }).nextRun(new Date(now));
  if (next === null) throw new Error(`The cron schedule ${expression} never comes`);
  return next.getTime();
}
