import { expect, test } from 'vitest';
import { findMentions, namePattern, prunedPattern } from '../src/leftovers.ts';
import { formatPlan, planOf } from '../src/plan.ts';
import { prepare, prepareNew } from '../src/prepare.ts';
import { readRecord } from '../src/record.ts';
import { textOf } from '../src/tree.ts';
import { sampleTemplate } from './sample.ts';

const template = sampleTemplate();
const choice = { name: 'acme-shop', scope: 'acme', title: 'Acme Shop', keep: ['shop'] };
const { tree, selection } = prepare(template, choice);
const text = (file: string) => textOf(tree.get(file));
const manifest = (file: string) => JSON.parse(text(file) ?? '{}');

test('what only a pruned variant needs goes with it: app, engine, package, dependency, script, version, page', () => {
  expect(selection).toEqual({
    kept: ['shop'],
    pruned: ['news'],
    prunedEngines: ['mail'],
    prunedImages: ['mailer'],
  });
  const gone = /^(apps\/news|packages\/mail-local|docs\/mail|packages\/acme-shop\/src\/engines)/;
  expect([...tree.keys()].filter((file) => gone.test(file))).toEqual([]);
  expect(manifest('packages/acme-shop/package.json').dependencies).toEqual({ zod: 'catalog:' });
  expect(manifest('package.json').scripts).toEqual({ 'acme-shop': 'acme-shop' });
  expect(text('pnpm-workspace.yaml')).toBe('packages:\n  - apps/*\n  - packages/*\ncatalog:\n  zod: 4.0.0\n');
  expect(manifest('.changeset/config.json')).toEqual({ fixed: [['acme-shop']] });
  expect(tree.has('.changeset/news.md')).toBe(false);
  expect(findMentions(tree, prunedPattern(selection)!)).toEqual([]);
});

test('the base keeps its engine, and everything stays with every variant', () => {
  const all = prepare(template, { ...choice, keep: ['shop', 'news'] });
  expect(all.selection).toMatchObject({ pruned: [], prunedEngines: [] });
  expect([...all.removed.keys()]).toEqual(['.changeset/news.md', 'packages/yard/CHANGELOG.md']);
  expect(textOf(all.tree.get('README.md'))).toContain('\nLetters go out by mail.\n');
  expect(textOf(all.tree.get('README.md'))).not.toContain('only:');
});

test('each mention of the name is written as its surroundings ask for', () => {
  expect(text('packages/acme-shop/src/main.ts')).toBe(`import { z } from 'zod';

export class AcmeShopError extends Error {}
/** Where Acme Shop keeps its state. */
export const folder = '.acme-shop';
export const engines = {
};
export const start = () => z.string().parse(process.env.ACME_SHOP_LOG);
`);
  expect(text('apps/shop/compose.yaml')).toContain('ACME_SHOP_LOG: x');
  expect(findMentions(tree, namePattern('yard'))).toEqual([]);
});

test('examples are given with a variant that is there, and tables lose rows and stay aligned', () => {
  expect(text('README.md')).toBe(`# Acme Shop

| variant | what   |
| ------- | ------ |
| \`shop\`  | a shop |

\`./pnpmw acme-shop dev shop\` starts it.
`);
});

test('a variant that somebody has added goes too, and words like its name stay', () => {
  const added = { 'apps/start/compose.yaml': 'services: {}\n', 'apps/start/notes.md': '# Start\n' };
  const without = prepare(sampleTemplate(added), choice);
  expect([...without.removed.keys()]).toEqual(expect.arrayContaining(Object.keys(added)));
  expect(textOf(without.tree.get('packages/acme-shop/src/main.ts'))).toContain('export const start = ()');
});

test('what somebody has added stays, though it has the word, or is not in use yet', () => {
  const added = {
    'apps/shop/src/list.ts': "const news = ['news'];\nexport { news };\n",
    'docs/mine.md': '# What news is\n\nThe news of the day.\n\n| news     |\n| -------- |\n| old news |\n',
    'packages/mine/package.json': '{ "name": "@yard/mine", "dependencies": { "zod": "catalog:" } }\n',
    'packages/mine/src/index.ts': "import { z } from 'zod';\n\nexport const mine = z;\n",
  };
  const kept = prepare(sampleTemplate(added), choice).tree;
  for (const file of ['apps/shop/src/list.ts', 'docs/mine.md', 'packages/mine/src/index.ts'] as const) {
    expect(textOf(kept.get(file))).toBe(added[file]);
  }
  expect(kept.has('packages/mine/package.json')).toBe(true);
});

test("a person's own changelog, changesets, and files that are called like a pruned engine stay", () => {
  const added = {
    'CHANGELOG.md': '# Changelog\n\nWhat I did.\n',
    'apps/shop/CHANGELOG.md': '# What is new in the shop\n',
    '.changeset/mine.md': '---\n"@yard/mail-extras": minor\n---\n\nMine.\n',
    '.changeset/README.md': '# How we write changesets\n',
    'docs/mail-server.md': '# Our server\n',
    'notes/mail/first.md': 'Remember.\n',
    'packages/mail-extras/package.json': '{ "name": "@yard/mail-extras" }\n',
    'packages/mail-extras/CHANGELOG.md': '# @yard/mail-extras\n',
    'packages/mail-extras/src/mail.ts': 'export const more = 1;\n',
    'packages/own/package.json': '{ "name": "own" }\n',
    'packages/own/src/mail.ts': 'export const own = 1;\n',
  };
  const { removed } = prepare(sampleTemplate(added), choice);
  expect(Object.keys(added).filter((file) => removed.has(file))).toEqual([]);
});

test('a name is refused that would make one word of two', () => {
  const errors = (word: string) => ({ 'apps/shop/src/errors.ts': `export class ${word} extends Error {}\n` });
  const named = (word: string) => () => prepareNew(sampleTemplate(errors(word)), choice);
  expect(named('ShopError')).not.toThrow();
  expect(named('AcmeShopError')).toThrow(
    expect.objectContaining({
      code: 'TEMPLATE_NAMES',
      details: ['acme-shop is taken: the code has AcmeShopError already'],
    }),
  );
});

test('the record says what an upgrade has to know', () => {
  expect(readRecord(tree)).toEqual({
    template: { package: 'create-yard', version: '1.0.0', name: 'yard', scope: 'yard', title: 'Yard' },
    project: { name: 'acme-shop', scope: 'acme', title: 'Acme Shop', keep: ['shop'] },
  });
});

test('the plan has a reason for everything', () => {
  const lines = formatPlan(planOf(template, prepare(template, choice), choice)).map((line) =>
    line.trim().replaceAll(/ {2,}/g, '  '),
  );
  expect(lines).toContain('delete  apps/news/ (2 files)  belongs to news');
  expect(lines).toContain('delete  packages/mail-local/ (2 files)  nothing needs it any more');
  expect(lines).toContain('move  packages/yard/ -> packages/acme-shop/ (2 files)  is called acme-shop now');
  expect(lines).toContain('run  ./pnpmw env:example  .env.example lists what is left to set');
});

test.each([
  [[], 'TEMPLATE_KEEP', '--keep news,shop'],
  [['shop', 'blog'], 'TEMPLATE_VARIANT', '--keep news'],
])('%j is refused as what to keep', (keep, code, hint) => {
  expect(() => prepare(template, { ...choice, keep })).toThrow(
    expect.objectContaining({ code, hint: expect.stringContaining(hint) }),
  );
});
