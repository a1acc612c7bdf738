import { expect, test } from 'vitest';
import { createErrorLog } from './log.ts';

test('an error that repeats is written once a minute, with how often it came', () => {
  const lines: string[] = [];
  let time = 0;
  const log = createErrorLog({ write: (text) => lines.push(text), now: () => time });
  const away = () => Object.assign(new Error('no answer'), { code: 'AWAY', hint: 'Wait.' });
  for (; time < 60_000; time += 500) log(away());
  log(Object.assign(new Error('something else'), { code: 'OTHER' }));
  log(away());
  expect(lines).toEqual([
    'AWAY: no answer\n  Wait.',
    'OTHER: something else',
    'AWAY: no answer\n  Wait.\n  and 119 times since this was last written',
  ]);
});
