import { inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { defineEnv } from './define-env.ts';
import { EnvError } from './env-error.ts';
import { boolean, duration, integer, list, port, secret, url } from './types.ts';

function errorOf(run: () => unknown): EnvError {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(EnvError);
    return error as EnvError;
  }
  throw new Error('nothing was thrown');
}

describe('parse', () => {
  const env = defineEnv({
    PORT: port().default(8080),
    DATABASE_URL: url({ protocols: ['postgresql'] }),
    VERBOSE: boolean().default(false),
    HOSTS: list().optional(),
  });

  test('gives typed, frozen values', () => {
    const values = env.parse({ DATABASE_URL: 'postgresql://127.0.0.1/x', PORT: '81', HOSTS: 'a, b,' });
    expect(values).toEqual({
      PORT: 81,
      DATABASE_URL: 'postgresql://127.0.0.1/x',
      VERBOSE: false,
      HOSTS: ['a', 'b'],
    });
    const typed: number = values.PORT;
    expect(typed).toBe(81);
    expect(Object.isFrozen(values)).toBe(true);
    expect(Object.isFrozen(values.HOSTS)).toBe(true);
  });

  test('takes an empty string for unset', () => {
    expect(env.parse({ DATABASE_URL: 'postgresql://h/x', PORT: '', HOSTS: '' }).PORT).toBe(8080);
    expect(errorOf(() => env.parse({ DATABASE_URL: '' })).problems).toEqual([
      expect.objectContaining({ variable: 'DATABASE_URL', message: 'is not set' }),
    ]);
  });

  test('lists every problem in one error, each with what to do', () => {
    const error = errorOf(() => env.parse({ PORT: '80a', VERBOSE: 'maybe' }));
    expect(error.code).toBe('ENV_INVALID');
    expect(error.message.split('\n')).toEqual([
      '3 environment variables are not usable:',
      '  PORT          must be a port number from 1 to 65535, not "80a"',
      '                Change PORT in .env or in the environment.',
      '  DATABASE_URL  is not set',
      '                Set DATABASE_URL in .env or in the environment.',
      '  VERBOSE       must be true or false (also 1/0, yes/no, on/off), not "maybe"',
      '                Change VERBOSE in .env or in the environment.',
    ]);
  });

  test('never changes its input, and reads no inherited property', () => {
    const source = Object.freeze({ PORT: '', DATABASE_URL: 'postgresql://h/x', OTHER: 'kept' });
    expect(Object.keys(env.parse(source))).not.toContain('OTHER');
    expect(() => defineEnv({ toString: z.string() }).parse({})).toThrow(EnvError);
  });

  test('reports a type that throws as a problem of its variable', () => {
    const json = defineEnv({ RULES: z.string().transform((text): unknown => JSON.parse(text)) });
    expect(errorOf(() => json.parse({ RULES: '{' })).message).toContain('RULES  cannot be read (');
    expect(json.parse({ RULES: '{"a":[1]}' }).RULES).toEqual({ a: [1] });
  });

  test('words the problems of zod types like its own', () => {
    const types = defineEnv({
      LEVEL: z.enum(['debug', 'info']),
      NAME: z.string().min(3),
      SLUG: z.string().regex(/^[a-z]+$/, 'must be a slug'),
      COUNT: z.coerce.number().max(5),
      EITHER: z.union([z.literal('auto'), integer()]),
      MAIL: z.email(),
    });
    const error = errorOf(() =>
      types.parse({ LEVEL: 'loud', NAME: 'ab', SLUG: 'A', COUNT: '9', EITHER: 'x', MAIL: 'no' }),
    );
    expect(error.problems.map((problem) => problem.message)).toEqual([
      'must be one of debug, info, not "loud"',
      'must have at least 3 characters, not "ab"',
      'must be a slug, not "A"',
      'must be at most 5, not "9"',
      'must be one of auto, or must be a whole number, not "x"',
      'must be a valid email, not "no"',
    ]);
  });
});

describe('a secret value never appears', () => {
  const value = 'hunter2-and-more';
  const echo = z.string().refine(() => false, { error: (issue) => `bad: ${issue.input}` });
  const schema = {
    ENUM: secret(z.enum(['the-right-answer', 'other'])),
    UNION: secret(z.union([z.literal('x'), z.string().regex(/^\d+$/), echo])),
    REFINED: secret(echo),
    PARTIAL: secret(z.string().refine(() => false, { error: (issue) => String(issue.input).slice(0, 7) })),
    JSON: secret(z.string().transform((text): unknown => JSON.parse(text))),
    THROWS: secret(
      z.string().transform((text) => {
        throw new Error(`no ${text}`, { cause: text });
      }),
    ),
    MARKED_LATE: echo.optional().meta({ secret: true }),
    MARKED_INSIDE: z.preprocess((input) => input, secret(z.string()).min(99).pipe(echo)),
    IN_A_UNION: z.union([secret(z.string().max(2)), z.literal('none')]),
    RECORD: secret(
      z
        .string()
        .transform((text) => ({ [text]: text }))
        .pipe(z.record(z.enum(['a']), echo)),
    ),
    STRICT: secret(
      z
        .string()
        .transform((text) => ({ [text]: 1 }))
        .pipe(z.strictObject({})),
    ),
    URL: secret(url({ protocols: ['https'] })),
    NUMBER: secret(z.coerce.number()),
    API_TOKEN: echo,
    POSTGRES_PASSWORD: z.string().max(3),
  };

  test.each(Object.keys(schema))('in an error about %s', (name) => {
    const env = defineEnv({ [name]: schema[name as keyof typeof schema] });
    const error = errorOf(() => env.parse({ [name]: value }));
    const shown = [
      error.message,
      error.stack,
      String(error),
      JSON.stringify(error),
      inspect(error, { depth: Number.POSITIVE_INFINITY, showHidden: true }),
      JSON.stringify(error.cause ?? null),
    ].join('\n');
    expect(shown).not.toContain('hunter2');
    expect(shown).not.toContain('the-right-answer');
    expect(error.problems).toHaveLength(1);
  });

  test('in the documentation of its default and example', () => {
    const { variables } = defineEnv({ KEY: secret(z.string()).default(value).meta({ example: value }) });
    expect(JSON.stringify(variables)).not.toContain('hunter2');
  });

  test('when the values are printed', () => {
    const values = defineEnv({
      TOKEN: z.string(),
      EMPTY_TOKEN: z.string().optional(),
      CACHE: url(),
      PORT: port(),
    }).parse({ TOKEN: value, CACHE: 'redis://:hunter2@h:6379', PORT: '1' });
    expect(inspect(values)).not.toContain('hunter2');
    expect(inspect(values)).toContain("CACHE: 'redis://:***@h:6379'");
    expect(inspect(values)).toContain('PORT: 1');
    expect(values.TOKEN).toBe(value);
  });

  test('and still the error tells what the type itself demands', () => {
    const env = defineEnv({
      SHORT: secret(z.string().min(32)).meta({ hint: 'Make one with: openssl rand -hex 32' }),
      HEX: secret(z.string().regex(/^[0-9a-f]+$/)),
      LINK: secret(url({ protocols: ['https'] })),
    });
    expect(errorOf(() => env.parse({ SHORT: 'x', HEX: 'x', LINK: 'x' })).problems).toEqual([
      {
        variable: 'SHORT',
        message: 'must have at least 32 characters',
        hint: 'Make one with: openssl rand -hex 32',
      },
      expect.objectContaining({ message: 'must match /^[0-9a-f]+$/' }),
      expect.objectContaining({ message: 'must be a URL that begins with https://' }),
    ]);
  });
});

test('the password of a URL that is not marked secret is masked in the error, also when the URL is broken', () => {
  const env = defineEnv({ DATABASE_URL: url({ protocols: ['postgresql'] }) });
  for (const value of ['mysql://root:hunter2@h/db', 'x//root:hun@ter2/hunter2@h/db', '//u:hunter2@[']) {
    expect(errorOf(() => env.parse({ DATABASE_URL: value })).message).not.toMatch(/hunter2|ter2/);
  }
});

describe('types', () => {
  const read = (type: z.ZodType, text: string) => type.safeParse(text).data;

  test('boolean', () => {
    expect(['true', '1', 'YES', 'On'].map((text) => read(boolean(), text))).toEqual([true, true, true, true]);
    expect(['false', '0', 'no', 'OFF'].map((text) => read(boolean(), text))).toEqual([
      false,
      false,
      false,
      false,
    ]);
    expect(read(boolean(), 'constructor')).toBeUndefined();
  });

  test('port and integer', () => {
    expect(
      ['1', '65535', '0', '65536', '80.5', '0x50', ' 80', '1e3'].map((text) => read(port(), text)),
    ).toEqual([1, 65535, undefined, undefined, undefined, undefined, undefined, undefined]);
    expect(['-3', '99999999999999999999'].map((text) => read(integer(), text))).toEqual([-3, undefined]);
    expect(read(integer({ min: 0 }), '-1')).toBeUndefined();
  });

  test('duration is in milliseconds', () => {
    expect(
      ['250', '250ms', '1.5s', '1h30m', '2d', '5 s', '-1s', 's'].map((text) => read(duration(), text)),
    ).toEqual([250, 250, 1500, 5_400_000, 172_800_000, undefined, undefined, undefined]);
  });

  test('url keeps the text as it was', () => {
    expect(read(url(), 'HTTP://Example.com')).toBe('HTTP://Example.com');
    expect(['example.com', 'localhost:80', '/path'].map((text) => read(url(), text))).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  });

  test('list reads each entry with the type of its items', () => {
    expect(read(list(port()), '80, 443')).toEqual([80, 443]);
    expect(read(list(port()), '80, x')).toBeUndefined();
  });
});
