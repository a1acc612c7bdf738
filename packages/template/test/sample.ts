import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { onTestFinished } from 'vitest';
import { type Entry, entryOf, type Tree, writeTree } from '../src/tree.ts';

const json = (value: unknown) => `${JSON.stringify(value, undefined, 2)}\n`;

// Spelled so that this very file has no region.
export const only = 'only';

/** A small template called Yard with two variants: `shop` on the base alone, `news` with an engine of its own. */
const texts: Readonly<Record<string, string>> = {
  '.template.json': json({
    template: { package: 'create-yard', version: '1.0.0', name: 'yard', scope: 'yard', title: 'Yard' },
  }),
  '.gitignore': 'node_modules/\n.yard/\ndata/\n.env\n',
  '.changeset/config.json': json({ fixed: [['yard', '@yard/mail-local']] }),
  '.changeset/news.md': '---\n"yard": patch\n"news": minor\n---\n\nNews of Yard\n',
  'README.md': `# Yard

| variant | what |
| ------- | ---- |
| \`shop\` | a shop |
| \`news\` | a paper |

<!-- ${only}: mail -->

Letters go out by mail.

<!-- /${only} -->

\`./pnpmw yard dev news\` starts it.
`,
  'docs/mail.md': `<!-- ${only}: mail -->\n\n# Mail\n`,
  'packages/yard/CHANGELOG.md': '# yard\n\n## 1.0.0\n',
  'package.json': json({
    name: 'yard-monorepo',
    private: true,
    scripts: { yard: 'yard', mails: 'node packages/mail-local/src/index.ts' },
    devDependencies: { yard: 'workspace:*' },
  }),
  'pnpm-workspace.yaml':
    'packages:\n  - apps/*\n  - packages/*\ncatalog:\n  nodemailer: 7.0.0\n  zod: 4.0.0\n',
  'infra/compose.yaml': 'services:\n  postgres:\n    image: postgres:17\n',
  'apps/shop/compose.yaml':
    'services:\n  postgres:\n    x-embedded: { engine: postgres }\n  api:\n    environment:\n      YARD_LOG: x\n',
  'apps/shop/package.json': json({ name: 'shop', devDependencies: { yard: 'workspace:*' } }),
  'apps/shop/src/main.ts': "import { start } from 'yard';\n\nstart();\n",
  'apps/news/compose.yaml': 'services:\n  mail:\n    image: mailer:1\n    x-embedded: { engine: mail }\n',
  'apps/news/package.json': json({ name: 'news', dependencies: { '@yard/mail-local': 'workspace:*' } }),
  'packages/yard/package.json': json({
    name: 'yard',
    bin: { yard: './src/main.ts' },
    dependencies: { '@yard/mail-local': 'workspace:*', zod: 'catalog:' },
  }),
  'packages/yard/src/main.ts': `import { z } from 'zod';
import { mail } from './engines/mail.ts';

export class YardError extends Error {}
/** Where Yard keeps its state. */
export const folder = '.yard';
export const engines = {
  mail: () => import('./engines/mail.ts'),
};
export const start = () => z.string().parse(process.env.YARD_LOG);
// ${only}: mail
export const post = mail;
// /${only}
`,
  'packages/yard/src/engines/mail.ts':
    "import { deliver } from '@yard/mail-local';\n\nexport const mail = () => deliver();\n",
  'packages/mail-local/package.json': json({
    name: '@yard/mail-local',
    dependencies: { nodemailer: 'catalog:' },
  }),
  'packages/mail-local/src/index.ts': 'export const deliver = () => {};\n',
  ...Object.fromEntries(
    Array.from({ length: 20 }, (_, number) => [
      `docs/page-${number}.md`,
      Array.from({ length: 12 }, (_, line) => `Yard, page ${number}, line ${line}\n\n`).join(''),
    ]),
  ),
};

/** What stands for pnpm here: `does` is a shell script. */
export function sampleTemplate(changes: Readonly<Record<string, string | undefined>> = {}, does = ''): Tree {
  const files: [string, Entry][] = Object.entries({ ...texts, ...changes }).flatMap(([file, text]) =>
    text === undefined ? [] : [[file, entryOf(text)]],
  );
  return new Map([...files, ['pnpmw', entryOf(`#!/bin/sh\nset -eu\n${does}\n`, true)]]);
}

export function temporaryFolder(): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'template test '));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A folder with a tree in it, as a clean git checkout unless told otherwise. */
export function checkoutOf(tree: Tree, { git: isGit = true } = {}): string {
  const root = path.join(temporaryFolder(), 'my copy');
  writeTree(root, tree);
  if (isGit) {
    git(root, 'init', '--quiet', '--initial-branch=main');
    git(root, 'config', 'user.name', 'a');
    git(root, 'config', 'user.email', 'a@example.org');
    commit(root, 'all');
  }
  return root;
}

export function commit(root: string, message: string): void {
  git(root, 'add', '--all');
  git(root, 'commit', '--quiet', '--message', message);
}

export function git(root: string, ...args: string[]): string {
  return execFileSync('git', args, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
}
