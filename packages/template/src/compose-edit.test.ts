import { expect, test } from 'vitest';
import { ComposeEdit } from './compose-edit.ts';

const edit = (text: string) => new ComposeEdit(text, 'compose.yaml');

const awkward = `\
# What it needs
services:
  api: # the API
    image:   'node:24'
    command: ["node",   "x.js"]   # kept
    environment: &shared
      A: "1"
      B: |
        two
        lines
    # at the end of api

  worker:
    environment:
      <<: *shared
      C: 3
    depends_on: [api]

# about x-generate
x-generate:
  KEY: { hex: 32 }
`;

test('an addition leaves every other character as it was', () => {
  const file = edit(awkward);
  file.add(['services', 'api', 'environment'], 'URL', 'http://x');
  file.append(['services', 'worker', 'depends_on'], 'x');
  file.add(['services'], 'x', 'image: y\nports:\n  - "1:1"\n', { blankLine: true });
  file.add(['x-generate'], 'OTHER', '{ hex: 16 }');
  expect(file.text).toBe(
    awkward
      .replace('        lines\n', '        lines\n      URL: http://x\n')
      .replace('[api]\n', '[api, x]\n\n  x:\n    image: y\n    ports:\n      - "1:1"\n')
      .replace('KEY: { hex: 32 }\n', 'KEY: { hex: 32 }\n  OTHER: { hex: 16 }\n'),
  );
});

test('what is missing is made, also at the end of a file without a line break', () => {
  const file = edit('services:\n  api:\n    image: x');
  file.add(['services', 'api', 'environment'], 'A', 'b');
  file.add(['services', 'api', 'depends_on'], 'db', 'condition: service_healthy\n');
  file.add([], 'x-generate', 'KEY: { hex: 32 }\n', { blankLine: true });
  expect(file.text).toBe(
    'services:\n  api:\n    image: x\n    environment:\n      A: b\n    depends_on:\n      db:\n        condition: service_healthy\n\nx-generate:\n  KEY: { hex: 32 }\n',
  );
});

test.each([
  ['services:\n  a:\n    environment: { A: b }\n', 'services:\n  a:\n    environment: { A: b, C: d }\n'],
  ['services:\n  a:\n    environment: {}\n', 'services:\n  a:\n    environment: { C: d }\n'],
  ['services:\n  a:\n    environment:\n', 'services:\n  a:\n    environment:\n      C: d\n'],
  [
    'services:\n    a:\n        environment:\n            A: b\n',
    'services:\n    a:\n        environment:\n            A: b\n            C: d\n',
  ],
])('%j gets a variable', (before, after) => {
  const file = edit(before);
  file.add(['services', 'a', 'environment'], 'C', 'd');
  expect(file.text).toBe(after);
});

test('an alias means the mapping that it names', () => {
  const file = edit('services:\n  a:\n    environment: &e\n      A: b\n  b:\n    environment: *e\n');
  file.add(['services', 'b', 'environment'], 'C', 'd');
  expect(file.text).toBe(
    'services:\n  a:\n    environment: &e\n      A: b\n      C: d\n  b:\n    environment: *e\n',
  );
});

test('lists with dashes keep their indentation', () => {
  const file = edit('services:\n  a:\n    environment:\n    - A=b\n    depends_on:\n      - x # first\n');
  file.append(['services', 'a', 'environment'], 'C=d');
  file.append(['services', 'a', 'depends_on'], 'y');
  expect(file.text).toBe(
    'services:\n  a:\n    environment:\n    - A=b\n    - C=d\n    depends_on:\n      - x # first\n      - y\n',
  );
});

test('an entry goes with the comment above it, and leaves no double blank lines', () => {
  const middle = edit(
    'services:\n  a:\n    image: x\n\n  # about b\n  b:\n    profiles: [unused]\n\n  c:\n    image: y\n',
  );
  middle.remove(['services'], 'b');
  expect(middle.text).toBe('services:\n  a:\n    image: x\n\n  c:\n    image: y\n');
  const last = edit('services:\n  a:\n    image: x\n\n  b:\n    profiles: [unused]\n');
  last.remove(['services'], 'b');
  expect(last.text).toBe('services:\n  a:\n    image: x\n');
});

test.each([
  ['services: { a: { image: x } }\n', 'services of compose.yaml'],
  ['services:\n  - a\n', 'services of compose.yaml'],
  ['services:\n  a: [\n', 'compose.yaml'],
])('%j is refused, with the place', (text, place) => {
  expect(() => edit(text).add(['services'], 'x', 'image: y\n')).toThrow(
    expect.objectContaining({ code: 'TEMPLATE_COMPOSE_FORM', message: expect.stringContaining(place) }),
  );
});
