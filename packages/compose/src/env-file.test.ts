import { describe, expect, test } from 'vitest';
import { parseEnvFile } from './env-file.ts';

describe('an env file', () => {
  test.each([
    ['A=v', 'v'],
    ['A=', ''],
    ['A =v', 'v'],
    ['A= v ', 'v'],
    ['  A=v', 'v'],
    ['\tA=v', 'v'],
    ['A: v', 'v'],
    ['A: x=y', 'x=y'],
    ['A=1:B', '1:B'],
    ['A=a=b=', 'a=b='],
    ['export A=v', 'v'],
    ['export\tA=v', 'v'],
    ['A=v#c', 'v#c'],
    ['A=v # c', 'v'],
    ['A=v\t# c', 'v\t# c'],
    ['A=v #', 'v'],
    ['A=a\\tb', 'a\\tb'],
    ['A="a\\tb"', 'a\tb'],
    ['A="a\\"b"', 'a"b'],
    ['A="a\\\\"', 'a\\'],
    ['A="\\0101\\x41\\ b"', 'A\\x41\\ b'],
    ["A='a\\'b'", "a'b"],
    ["A='a\\nb'", 'a\\nb'],
    ['A="v#c" # d', 'v#c'],
    ["A='v#c'#d", 'v#c'],
    ['A="it\'s"', "it's"],
    ['A=`v w`', '`v w`'],
    ['A="one\ntwo"', 'one\ntwo'],
    ['A=pa$$w0rd', 'pa$w0rd'],
    ['A=$(echo hi)', '$(echo hi)'],
    ["A='$B ${B}'", '$B ${B}'],
    ['A="\\$B"', '$B'],
    ['A=${NONE:-d}', 'd'],
    ['A=$NONE', ''],
    ['\uFEFFA=v', 'v'],
    ['A=v\r\n', 'v'],
  ])('reads %j as %j', (text, expected) => {
    expect(parseEnvFile(text)).toEqual({ A: expected });
  });

  test('skips comments and empty lines', () => {
    expect(parseEnvFile('# one\n\n \t\n  # two\r\nA=1\n#B=2')).toEqual({ A: '1' });
  });

  test('reads names with dots, dashes, brackets and letters of any script', () => {
    expect(parseEnvFile('a.b=1\na-b=2\na[0]=3\nÄ=4\nexportA=5')).toEqual({
      'a.b': '1',
      'a-b': '2',
      'a[0]': '3',
      Ä: '4',
      exportA: '5',
    });
  });

  test('expands variables of earlier lines, and the environment wins over them', () => {
    const text = 'B=file\nA=$B\nC="${B}-${D}"';
    expect(parseEnvFile(text)).toMatchObject({ A: 'file', C: 'file-' });
    expect(parseEnvFile(text, { env: { B: 'process', D: 'd' } })).toEqual({
      B: 'file',
      A: 'process',
      C: 'process-d',
    });
  });

  test('lets a bare name inherit, or leaves it out', () => {
    expect(parseEnvFile('A\nB\nC=1', { env: { A: 'here', B: undefined } })).toEqual({ A: 'here', C: '1' });
    expect(parseEnvFile('A', { env: { A: 'at the end' } })).toEqual({ A: 'at the end' });
  });

  test('takes the last value of a name', () => {
    expect(parseEnvFile('A=1\nA=2')).toEqual({ A: '2' });
  });

  test('keeps a value without a name, as Compose does, and warns of it', () => {
    const lines: unknown[] = [];
    expect(parseEnvFile('A=1\n="v"', { onWarning: ({ line }) => lines.push(line) })).toEqual({
      A: '1',
      '': 'v',
    });
    expect(lines).toEqual([2]);
  });

  test('keeps a variable named like a property of every object', () => {
    expect(Object.entries(parseEnvFile('__proto__=1\nconstructor=2'))).toEqual([
      ['__proto__', '1'],
      ['constructor', '2'],
    ]);
  });
});

describe('a bad env file', () => {
  function problemsOf(text: string): unknown {
    try {
      return parseEnvFile(text, { file: 'dev.env' });
    } catch (error) {
      return (error as { problems: unknown }).problems;
    }
  }

  test.each([
    ['A="v', 'unterminated'],
    ["A='v\\'", 'unterminated'],
    ['A="v\\"', 'unterminated'],
    ['A b=v', 'space'],
    ['A%=v', 'unexpected character "%"'],
    ['lol$wut', 'unexpected character "$"'],
    ['A=${B', 'invalid interpolation format'],
    ['A=${B:?no B}', 'no B'],
  ])('%j is refused with file and line', (text, message) => {
    expect(problemsOf(`# first\n\n${text}`)).toEqual([
      expect.objectContaining({ file: 'dev.env', line: 3, message: expect.stringContaining(message) }),
    ]);
  });

  test('has all its bad lines shown at once', () => {
    expect(problemsOf('A b=1\nC=2\nD%=3\nE="4')).toEqual([
      expect.objectContaining({ line: 1 }),
      expect.objectContaining({ line: 3 }),
      expect.objectContaining({ line: 4 }),
    ]);
  });

  test('does not have its values in the message', () => {
    expect(JSON.stringify(problemsOf('A b=hunter2\nB=x${hunter2\nTOKEN="hunter2'))).not.toContain('hunter2');
  });
});
