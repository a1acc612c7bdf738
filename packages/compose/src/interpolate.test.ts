import { describe, expect, test } from 'vitest';
import { ComposeError } from './errors.ts';
import { interpolate } from './interpolate.ts';

const env = { CITY: 'Bern', EMPTY: '' };

describe('a value', () => {
  test.each([
    // [form, set, set but empty, unset]
    ['$V', 'x', '', ''],
    ['${V}', 'x', '', ''],
    ['${V:-d}', 'x', 'd', 'd'],
    ['${V-d}', 'x', '', 'd'],
    ['${V:+a}', 'a', '', ''],
    ['${V+a}', 'a', 'a', ''],
    ['${V:?m}', 'x', Error, Error],
    ['${V?m}', 'x', '', Error],
  ])('%s is %j when set, %j when empty, %j when unset', (template, set, empty, unset) => {
    const cases = [
      [{ V: 'x' }, set],
      [{ V: '' }, empty],
      [{ V: undefined }, unset],
      [{}, unset],
    ] as const;
    for (const [values, expected] of cases) {
      if (expected === Error)
        expect(() => interpolate(template, values)).toThrow('variable V is missing a value: m');
      else expect(interpolate(template, values)).toBe(expected);
    }
  });

  test.each([
    ['$$', '$'],
    ['$$CITY', '$CITY'],
    ['$${CITY}', '${CITY}'],
    ['$$$CITY', '$Bern'],
    ['$CITY-b', 'Bern-b'],
    ['${CITY}s and $CITY.', 'Berns and Bern.'],
    ['$1', '$1'],
    ['a $ b', 'a $ b'],
    ['costs 5$', 'costs 5$'],
    ['$}', '$}'],
    ['$(date)', '$(date)'],
  ])('%s becomes %s', (template, expected) => {
    expect(interpolate(template, env)).toBe(expected);
  });

  test.each([
    ['${NONE:-${CITY}}', 'Bern'],
    ['${NONE:-$CITY/$CITY}!', 'Bern/Bern!'],
    ['${NONE-${EMPTY:-${CITY} ${CITY}}}', 'Bern Bern'],
    ['${CITY:+${NONE:-in} $CITY}', 'in Bern'],
    ['${NONE:-{"j":1}}', '{"j":1}'],
    ['${NONE:-{}}', '{}'],
    ['${NONE:-$${CITY}}', '${CITY}'],
    ['${NONE:-a}${NONE:-b}', 'ab'],
    ['${NONE:-a} } ${CITY}', 'a } Bern'],
  ])('the argument in %s is substituted to %s', (template, expected) => {
    expect(interpolate(template, env)).toBe(expected);
  });

  test.each([
    ['${NONE-a:?b+c}', 'a:?b+c'],
    ['${NONE:-a?b}', 'a?b'],
    ['${CITY+a-b}', 'a-b'],
    ['${NONE:-/non:-path}', '/non:-path'],
    ['${CITY?a-b}', 'Bern'],
  ])('the earliest operator of %s wins', (template, expected) => {
    expect(interpolate(template, env)).toBe(expected);
  });

  test('is not substituted again', () => {
    expect(interpolate('$A', { A: '$CITY ${CITY}', CITY: 'Bern' })).toBe('$CITY ${CITY}');
  });

  test.each(['constructor', '__proto__', 'toString'])(
    'named %s is unset unless the environment has it',
    (name) => {
      expect(interpolate(`\${${name}:-none}`, {})).toBe('none');
    },
  );
});

describe('a malformed reference', () => {
  test.each([
    '${',
    '${}',
    '${ }',
    '${ a}',
    '${a }',
    '${a.b}',
    '${A:=x}',
    '${A!}',
    '${1}',
    '${A',
    '${A:-x',
    '${A:-x\ny}',
    '${CITY:-${}}',
    '${NONE:+${a b}}',
    '${CITY:?${A.b}}',
  ])('%j is refused', (template) => {
    expect(() => interpolate(template, env)).toThrow(ComposeError);
    expect(() => interpolate(template, env)).toThrow('invalid interpolation format');
  });

  test('is reported with its place and a way out', () => {
    const location = { file: 'compose.yaml', line: 3, column: 7 };
    expect(() => interpolate('a ${}', {}, { location })).toThrow(
      expect.objectContaining({
        code: 'COMPOSE_INTERPOLATION',
        hint: expect.stringContaining('$$'),
        problems: [expect.objectContaining({ file: 'compose.yaml', line: 3, column: 7 })],
      }),
    );
  });

  test('nested a thousand deep is refused, not a crash', () => {
    const template = `${'${A:-'.repeat(1000)}x${'}'.repeat(1000)}`;
    expect(() => interpolate(template, {})).toThrow(expect.objectContaining({ code: 'COMPOSE_LIMIT' }));
  });
});

describe('a required variable', () => {
  test('is named with its message, which is substituted too', () => {
    expect(() => interpolate('${TOKEN:?set it in ${CITY}}', env)).toThrow(
      expect.objectContaining({
        code: 'COMPOSE_VARIABLE_REQUIRED',
        message: expect.stringContaining('required variable TOKEN is missing a value: set it in Bern'),
      }),
    );
  });

  test('needs no message', () => {
    expect(() => interpolate('${TOKEN?}', env)).toThrow('required variable TOKEN is missing a value');
  });
});

describe('warnings', () => {
  function warningsOf(template: string): string[] {
    const warnings: string[] = [];
    interpolate(template, env, { onWarning: ({ message }) => warnings.push(message) });
    return warnings;
  }

  test('name a variable that is unset and has no default, once for each reference', () => {
    expect(warningsOf('$NONE')).toEqual([expect.stringContaining('NONE')]);
  });

  test.each(['$EMPTY', '${NONE:-d}', '${NONE-}', '${NONE:+a}', '${CITY:-$NONE}', '${NONE+$OTHER}', '$$NONE'])(
    'are not given for %s',
    (template) => {
      expect(warningsOf(template)).toEqual([]);
    },
  );
});
