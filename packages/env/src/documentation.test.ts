import { expect, test } from 'vitest';
import { z } from 'zod';
import { defineEnv } from './define-env.ts';
import { quoteValue, toExample } from './example.ts';
import { toMarkdown } from './markdown.ts';
import { looksSecret, maskSecrets, maskUrlPasswords, maskVariable } from './mask.ts';
import { duration, list, port, secret, url } from './types.ts';
import { unknownVariables } from './unknown.ts';

const { variables } = defineEnv({
  PORT: port().default(8080).describe('Port of the API'),
  DATABASE_URL: url().describe('Where the data is | at rest').meta({ example: 'postgresql://127.0.0.1/app' }),
  SESSION_SECRET: z
    .string()
    .min(32)
    .describe('Signs sessions')
    .meta({ hint: 'Make one with: openssl rand -hex 32' }),
  ORIGINS: list().default(['http://a', 'http://b']),
  TIMEOUT: duration().prefault('30s').describe('Longest request'),
  GREETING: z.string().default('hello # $world').optional(),
  ACCESS_KEY: secret(z.string()).optional(),
  PUBLIC_KEY: z.string().optional().meta({ secret: false, default: 'read from the file' }),
});

test('variables tell name, description, default, example, and whether they are required and secret', () => {
  expect(
    variables.map(({ name, required, secret: hidden, default: value }) => [name, required, hidden, value]),
  ).toEqual([
    ['PORT', false, false, '8080'],
    ['DATABASE_URL', true, false, undefined],
    ['SESSION_SECRET', true, true, undefined],
    ['ORIGINS', false, false, 'http://a,http://b'],
    ['TIMEOUT', false, false, '30s'],
    ['GREETING', false, false, 'hello # $world'],
    ['ACCESS_KEY', false, true, undefined],
    ['PUBLIC_KEY', false, false, 'read from the file'],
  ]);
});

test('the example text has defaults commented out, required variables open, and no secret', () => {
  const [portVariable, databaseUrl, sessionSecret, , , greeting] = variables;
  const text = toExample([
    { title: 'all variants', variables: [portVariable!, greeting!] },
    {
      title: 'shop',
      note: 'Set by hand.',
      variables: [databaseUrl!, sessionSecret!, { ...databaseUrl!, name: 'OTHER_URL', provided: true }],
    },
  ]);
  expect(text).toBe(`# all variants
# ------------

# Port of the API
#PORT=8080

#GREETING='hello # $world'


# shop
# ----
# Set by hand.

# Where the data is | at rest
# For example: postgresql://127.0.0.1/app
# Required
DATABASE_URL=

# Signs sessions
# Make one with: openssl rand -hex 32
# Required
SESSION_SECRET=

# Where the data is | at rest
# For example: postgresql://127.0.0.1/app
#OTHER_URL=
`);
});

test('the Markdown table is aligned and escapes cells', () => {
  const lines = toMarkdown(variables.slice(0, 3)).trimEnd().split('\n');
  expect(lines.map((line) => line.split(/ +\| +/).map((cell) => cell.replace(/^\| | +\|$/g, '')))).toEqual([
    ['Variable', 'Default', 'Description'],
    [expect.stringMatching(/^-+$/), expect.stringMatching(/^-+$/), expect.stringMatching(/^-+$/)],
    ['`PORT`', '`8080`', 'Port of the API'],
    [
      '`DATABASE_URL`',
      'required',
      'Where the data is \\| at rest. For example `postgresql://127.0.0.1/app`.',
    ],
    ['`SESSION_SECRET`', 'required', 'Signs sessions. Secret.'],
  ]);
  expect(new Set(lines.map((line) => line.length)).size).toBe(1);
});

test('values are quoted where a parser would change them', () => {
  expect(quoteValue('a#b')).toBe("'a#b'");
  expect(quoteValue("it's $5")).toBe('"it\'s $$5"');
  expect(quoteValue('plain')).toBe('plain');
});

test('masking covers secret names, named secrets and passwords within URLs', () => {
  const masked = maskSecrets(
    {
      POSTGRES_PASSWORD: 'hunter2',
      EMPTY_PASSWORD: '',
      OPENER: 'hunter2',
      DATABASE_URL: 'postgresql://app:hun@ter2@h/db',
      PORT: '80',
      ABSENT: undefined,
    },
    { secrets: ['OPENER'] },
  );
  expect(masked).toEqual({
    POSTGRES_PASSWORD: '***',
    EMPTY_PASSWORD: '',
    OPENER: '***',
    DATABASE_URL: 'postgresql://app:***@h/db',
    PORT: '80',
  });
  expect(maskUrlPasswords('from redis://:a@h to https://h/@scope')).toBe(
    'from redis://:***@h to https://h/@scope',
  );
  expect(maskUrlPasswords('http://127.0.0.1:5434/a:b@c')).toBe('http://127.0.0.1:5434/a:b@c');
  expect(maskVariable('API_KEY', 'hunter2')).toBe('***');
});

test('names tell secrets from limits, files, folders and public keys', () => {
  const secrets = [
    'PGPASSWORD',
    'API_KEY',
    'SIGNING_KEYS',
    'INSTANCE_SECRET',
    'GITHUB_TOKEN',
    'AWS_CREDENTIALS',
    'SECRET_KEY_BASE',
  ];
  expect(secrets.filter((name) => !looksSecret(name))).toEqual([]);
  const others = [
    'TOKEN_LIMIT',
    'POSTGRES_PASSWORD_FILE',
    'PWD',
    'MONKEY',
    'KEYBOARD',
    'VAPID_PUBLIC_KEY',
    'AUTHOR',
  ];
  expect(others.filter(looksSecret)).toEqual([]);
});

test('unknown variables come with the known name that was meant, if one is close', () => {
  const known = ['POSTGRES_PASSWORD', 'SHOP_POSTGRES_PORT'];
  const source = {
    POSTGRES_PASWORD: 'x',
    POSTGRES_PASSWORD: 'x',
    SHOP_POSTGERS_PORT: '1',
    EDITOR: 'vi',
  };
  expect(unknownVariables(source, known)).toEqual([
    { name: 'POSTGRES_PASWORD', suggestion: 'POSTGRES_PASSWORD' },
    { name: 'SHOP_POSTGERS_PORT', suggestion: 'SHOP_POSTGRES_PORT' },
    { name: 'EDITOR', suggestion: undefined },
  ]);
});
