import { builtinModules } from 'node:module';
import path from 'node:path';
import { TemplateError } from './template-error.ts';

/** What a tree is called. Everything else (`ACME_SHOP`, `AcmeShop`, `acme_shop`) follows from it. */
export interface Names {
  /** In kebab-case: the command, the folder of state, the Compose project. */
  readonly name: string;
  /** The npm scope of its packages, without `@`. */
  readonly scope: string;
  /** As in a heading. */
  readonly title: string;
}

/** A name as each kind of text writes it. */
export interface Forms {
  readonly kebab: string;
  readonly snake: string;
  readonly upper: string;
  readonly camel: string;
  readonly pascal: string;
}

/** Longer names do not fit into the path of a socket. */
const longest = 32;

export function formsOf(name: string): Forms {
  const words = name.split('-');
  const pascal = words.map(capitalize).join('');
  return {
    kebab: name,
    snake: words.join('_'),
    upper: words.join('_').toUpperCase(),
    camel: pascal.charAt(0).toLowerCase() + pascal.slice(1),
    pascal,
  };
}

/** `acme-shop` is titled `Acme Shop`. */
export function titleOf(name: string): string {
  return name.split('-').map(capitalize).join(' ');
}

/** What a folder suggests as the name of the project in it. */
export function nameOfFolder(folder: string): string {
  const words =
    path
      .basename(folder)
      .toLowerCase()
      .match(/[a-z0-9]+/g) ?? [];
  const name = words
    .join('-')
    .slice(0, longest)
    .replace(/^[^a-z]+|-$/g, '');
  return name || 'my-stack';
}

/**
 * What is wrong with a name, or undefined. `taken` holds the names that mean something in the tree already:
 * workspaces, scripts, commands, dependencies.
 */
export function nameProblem(name: string, taken: ReadonlySet<string>): string | undefined {
  if (name === '') return 'a project needs a name';
  // The project's command is a script of its root, and pnpm takes its own commands for those first.
  if (pnpmCommands.has(name)) return `${name} is a command of pnpm: ./pnpmw ${name} would run that`;
  return nameProblems(name, taken)[0];
}

/** Everything that is wrong with a name of a project or a variant. */
export function nameProblems(name: string, taken: ReadonlySet<string>): string[] {
  const shown = JSON.stringify(name);
  const problems: string[] = [];
  if (name.length > longest) problems.push(`${shown} is longer than ${longest} characters`);
  if (!/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(name)) {
    problems.push(`${shown} is no name: lower-case letters, digits and single hyphens, a letter first`);
  }
  if (reserved.has(name) || builtinModules.includes(name) || device.test(name)) {
    problems.push(`${name} is a name of npm, of Node itself or of the system`);
  }
  if (name !== '' && taken.has(name)) {
    problems.push(`${name} is taken: a workspace, script, command or dependency is called so`);
  }
  return problems;
}

/** What npm would refuse about a scope, or undefined. */
export function scopeProblem(scope: string): string | undefined {
  if (!/^[a-z0-9~-][a-z0-9._~-]*$/.test(scope) || scope.length > 100) {
    return `${JSON.stringify(scope)} is no npm scope: lower-case letters, digits, ".", "_" and "-", none of "." and "_" first`;
  }
  if (reserved.has(scope)) return `@${scope} is reserved`;
  return undefined;
}

/** A title goes into headings, comments and strings: one line, and nothing that ends a string. */
export function titleProblem(title: string): string | undefined {
  if (title.trim() === '' || title !== title.trim()) return 'a title has text, and no blanks around it';
  if (/[\p{Cc}'"`\\$<>|*[\]{}]/u.test(title) || title.length > 60) {
    return `${JSON.stringify(title)} is no title: one line of up to 60 characters, without quotes, brackets or other marks`;
  }
  return undefined;
}

/** Refuses names with every problem they have. */
export function checkNames(names: Names, taken: ReadonlySet<string>): void {
  const ofName = nameProblem(names.name, taken);
  // A scope that was not chosen is the name, and what is wrong with it has been said.
  const ofScope = ofName && names.scope === names.name ? undefined : scopeProblem(names.scope);
  const details = [ofName, ofScope, titleProblem(names.title)].flatMap((problem) => problem ?? []);
  if (details.length > 0) throw namesError(details);
}

export function namesError(details: readonly string[]): TemplateError {
  return new TemplateError('TEMPLATE_NAMES', 'the project cannot be called that', {
    details,
    hint: 'choose others: --name acme-shop --scope acme --title "Acme Shop"',
    exitCode: 2,
  });
}

const reserved = new Set([
  'node_modules',
  'favicon.ico',
  'node',
  'npm',
  'npx',
  'pnpm',
  'pnpmw',
  'types',
  'data',
  // Programs that the commands run: a command of that name would be taken for them.
  'docker',
  'docker-compose',
  'git',
  'psql',
  'sh',
  'tar',
  // Folders of a container, where the checkout would be mounted over them.
  'etc',
  'lib',
  'lib64',
  'proc',
  'sbin',
  'sys',
  'usr',
  'var',
]);

/** What `pnpm help --all` and the life cycle of packages name. */
const pnpmCommands = new Set(
  `access add adduser approve approve-builds audit bin bugs c cache cat-file cat-index change ci clean completion config
  create dedupe deploy deprecate dist-tag dlx docs doctor edit env exec fetch find-hash fund get help i ignored-builds
  import info init install install-test it lane licenses link list ll ln login logout ls m multi outdated owner pack
  pack-app patch patch-commit patch-remove peers permissions ping pipeline pkg postinstall prefix preinstall prepare
  profile prune publish purge rb rebuild recursive remove repo restart rm root rt run run-script runtime sbom search
  self-update server set set-script setup shim show ss stage star stars start stop store t tasks team test token tst un
  undeprecate uninstall unlink unpublish unstar up update upgrade version view whoami why with xmas`.split(
    /\s+/,
  ),
);

/** What no file can be called on Windows. */
const device = /^(?:con|prn|aux|nul|com\d|lpt\d)$/;

function capitalize(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1);
}
