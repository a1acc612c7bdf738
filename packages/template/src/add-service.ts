import { readFileSync } from 'node:fs';
import path from 'node:path';
import { createTwoFilesPatch } from 'diff';
import { catalogue } from './catalogue/index.ts';
import type { CatalogueService, ServiceContext } from './catalogue/service.ts';
import { ComposeEdit } from './compose-edit.ts';
import { formsOf } from './names.ts';
import { TemplateError } from './template-error.ts';
import { loadDefaults, portsFor, readClaims } from './variant-ports.ts';

/** What `add` changes. */
export interface ServiceAddition {
  readonly service: CatalogueService;
  /** The Compose file, relative to the root. */
  readonly file: string;
  readonly before: string;
  readonly after: string;
  /** Services that stand for programs of the variant, and now see the service. */
  readonly users: readonly string[];
  /** The variables that they got. */
  readonly variables: readonly string[];
}

/** The names of the catalogue, each with what it is. */
export const catalogueServices: readonly Pick<CatalogueService, 'name' | 'summary'>[] = catalogue;

/**
 * The Compose file of a variant with one service of the catalogue more: the service, and for each program of the
 * variant its variables and a `depends_on`. Reads the checkout at `root`, and changes nothing.
 */
export function planService(root: string, variant: string, name: string): ServiceAddition {
  const service = catalogue.find((entry) => entry.name === name);
  if (!service) {
    throw new TemplateError(
      'TEMPLATE_SERVICE',
      `there is no service ${JSON.stringify(name)} in the catalogue`,
      {
        details: catalogue.map((entry) => `${entry.name.padEnd(14)}${entry.summary}`),
        hint: 'name one of these, or write the service into the Compose file yourself',
        exitCode: 2,
      },
    );
  }
  const file = `apps/${variant}/compose.yaml`;
  const before = readFileSync(path.join(root, file), 'utf8').replaceAll('\r\n', '\n');
  const edit = new ComposeEdit(before, file);
  const present = edit.value(['services', name]);
  const placeholder = isPlaceholder(present);
  if (present !== undefined && !placeholder) {
    throw new TemplateError('TEMPLATE_SERVICE_EXISTS', `${variant} has a service ${name} already`, {
      hint: `see services.${name} in ${file}`,
    });
  }
  const context = contextOf(root, variant);
  if (placeholder) edit.remove(['services'], name);
  edit.add(['services'], name, service.compose(context), { blankLine: true });
  const environment = Object.entries(service.environment(context));
  const users = programs(root, variant, edit);
  for (const user of users) {
    for (const [variable, value] of environment) addVariable(edit, user, variable, value);
    addDependency(edit, user, name);
  }
  if (service.generate) addRecipes(edit, service.generate(context));
  const after = edit.text;
  // Nothing is written that would not start.
  loadDefaults(root, [
    path.join(root, 'infra/compose.yaml'),
    { path: path.join(root, file), content: after },
  ]);
  return { service, file, before, after, users, variables: environment.map(([variable]) => variable) };
}

/** The change as a unified diff. */
export function formatAddition({ file, before, after }: ServiceAddition): string {
  return createTwoFilesPatch(`a/${file}`, `b/${file}`, before, after, '', '', { context: 3 }).replace(
    /^=+\n/,
    '',
  );
}

/** What stands for a service of the base that the variant does not use. */
function isPlaceholder(value: unknown): boolean {
  return JSON.stringify(value) === JSON.stringify({ profiles: ['unused'] });
}

function contextOf(root: string, variant: string): ServiceContext {
  const nextPort = portsFor(readClaims(root), variant);
  const { snake, upper: prefix } = formsOf(variant);
  return { variant, snake, prefix, port: (what) => `\${${prefix}_${what}_PORT:-${nextPort()}}` };
}

/** The services whose names are those of package scripts: programs of the variant itself. */
function programs(root: string, variant: string, edit: ComposeEdit): string[] {
  const manifest = JSON.parse(readFileSync(path.join(root, 'apps', variant, 'package.json'), 'utf8')) as {
    scripts?: Record<string, string>;
  };
  return Object.keys(manifest.scripts ?? {})
    .flatMap((script) => (script === 'setup' ? script : script.startsWith('dev:') ? script.slice(4) : []))
    .filter((name) => edit.has(['services', name]));
}

function addVariable(edit: ComposeEdit, service: string, variable: string, value: string): void {
  const field = ['services', service, 'environment'];
  const present = edit.value(field);
  if (Array.isArray(present)) {
    if (!present.some((item) => String(item).split('=')[0] === variable))
      edit.append(field, `${variable}=${value}`);
    return;
  }
  if (!Object.hasOwn((present ?? {}) as object, variable)) edit.add(field, variable, value);
}

function addDependency(edit: ComposeEdit, service: string, on: string): void {
  const field = ['services', service, 'depends_on'];
  const present = edit.value(field);
  if (Array.isArray(present)) {
    if (!present.includes(on)) edit.append(field, on);
  } else if (!Object.hasOwn((present ?? {}) as object, on))
    edit.add(field, on, 'condition: service_healthy\n');
}

function addRecipes(edit: ComposeEdit, yaml: string): void {
  if (!edit.has(['x-generate'])) {
    edit.add([], 'x-generate', yaml, { blankLine: true });
    return;
  }
  for (const recipe of yaml.split(/^(?=\S)/m)) {
    const [, key = '', value = ''] = /^(\w+):\s*(.*)$/s.exec(recipe) ?? [];
    const lines = value.trimEnd().split('\n');
    edit.add(['x-generate'], key, lines.length === 1 ? lines[0]! : `${unindent(value)}`);
  }
}

/** The lines below a key, moved to column 0. */
function unindent(text: string): string {
  return text.replaceAll(/^ {2}/gm, '');
}
