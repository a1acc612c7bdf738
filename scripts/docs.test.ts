import { execFile } from 'node:child_process';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const root = resolve(import.meta.dirname, '..');
const skipped = /(^|\/)(node_modules|dist|data|\.stackyard|\.turbo|\.changeset)$/;
const pages = globSync('**/*.md', { cwd: root, exclude: (name) => skipped.test(name) });
const read = (page: string) => readFileSync(join(root, page), 'utf8');

test('every relative link of every page leads to a file, and to a heading of it where it names one', () => {
  expect(pages).toContain('README.md');
  expect(pages.flatMap((page) => brokenLinks(page, read(page)))).toEqual([]);
});

test('every ./pnpmw command of every page is one that there is', async () => {
  const program = await stackyardCommands();
  const commands = pages.flatMap((page) => commandsIn(read(page)).map((command) => ({ page, command })));
  expect(commands.some(({ command }) => command.startsWith('stackyard up'))).toBe(true);
  expect(commands.filter(({ command }) => !isCommand(command, program))).toEqual([]);
}, 60_000);

test('a link to nowhere and a command that is none are seen', async () => {
  const text =
    '[a](nowhere.md) [b](README.md#start) [c](README.md#no-such) [d](https://example.org) `[e](x.md)`';
  expect(brokenLinks('README.md', text)).toEqual(['README.md: nowhere.md', 'README.md: README.md#no-such']);
  const program = new Map([
    ['stackyard', new Set(['up', 'keys'])],
    ['stackyard keys', new Set(['check'])],
  ]);
  const wrong = ['nonsense', 'stackyard fly', 'stackyard keys fly', 'turbo fly'];
  const right = ['test', 'stackyard up', 'stackyard keys check', 'turbo dev', 'exec', 'stackyard'];
  expect(wrong.filter((command) => isCommand(command, program))).toEqual([]);
  expect(right.filter((command) => !isCommand(command, program))).toEqual([]);
});

function brokenLinks(page: string, text: string): string[] {
  const prose = text.replaceAll(/^```[\s\S]*?^```/gm, '').replaceAll(/`[^`\n]*`/g, 'code');
  return [...prose.matchAll(/\]\(([^)\s]+)\)/g)].flatMap(([, target = '']) => {
    if (/^[a-z]+:/.test(target)) return [];
    const [path = '', heading] = target.split('#');
    const file = path === '' ? page : join(dirname(page), decodeURI(path));
    if (!existsSync(join(root, file))) return [`${page}: ${target}`];
    if (heading === undefined || headings(read(file)).has(heading)) return [];
    return [`${page}: ${target}`];
  });
}

/** The anchors of a page, as GitHub makes them. */
function headings(text: string): Set<string> {
  const lines = [...text.replaceAll(/^```[\s\S]*?^```/gm, '').matchAll(/^#+ (.+)$/gm)];
  return new Set(
    lines.map(([, heading = '']) =>
      heading
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
        .trim()
        .replaceAll(/\s/g, '-'),
    ),
  );
}

/** What follows `./pnpmw`, up to the first word that is an argument: `stackyard up`, `turbo dev`, `test`. */
function commandsIn(text: string): string[] {
  return [...text.matchAll(/(?:\.\/|\.\.\/\.\.\/)pnpmw ((?:[a-z][\w:-]*)(?: +[a-z][\w:-]*){0,2})/g)].map(
    ([, words = '']) => words.replaceAll(/ +/g, ' '),
  );
}

function isCommand(command: string, program: ReadonlyMap<string, ReadonlySet<string>>): boolean {
  const [first = '', second, third] = command.split(' ');
  if (first === 'stackyard') {
    if (second === undefined) return true;
    if (!program.get('stackyard')?.has(second)) return false;
    const subcommands = program.get(`stackyard ${second}`);
    return third === undefined || subcommands === undefined || subcommands.has(third);
  }
  if (first === 'turbo') return second === undefined || second in tasks;
  // pnpm's own, and the tools that the root installs.
  return first in scripts || pnpmCommands.has(first) || existsSync(join(root, 'node_modules/.bin', first));
}

const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
const { tasks } = JSON.parse(read('turbo.json')) as { tasks: Record<string, unknown> };
const pnpmCommands = new Set(['add', 'exec', 'install', 'rebuild', 'remove', 'run', 'update']);

/** The commands of the command line, as its own `--help` lists them. */
async function stackyardCommands(): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
  const help = async (...args: string[]) => {
    const command = join(root, 'packages/stackyard/src/bin/stackyard.js');
    const { stdout } = await promisify(execFile)(process.execPath, [command, ...args, '--help'], {
      cwd: root,
    });
    const list = stdout.split('Commands:')[1] ?? '';
    return new Set([...list.matchAll(/^ {2}([a-z][\w-]*)/gm)].map(([, name]) => name as string));
  };
  const commands = await help();
  commands.delete('help');
  const groups = await Promise.all([...commands].map(async (name) => [name, await help(name)] as const));
  return new Map([
    ['stackyard', commands],
    ...groups.filter(([, subs]) => subs.size > 0).map(([name, subs]) => [`stackyard ${name}`, subs] as const),
  ]);
}
