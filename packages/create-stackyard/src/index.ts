import path from 'node:path';
import { parseArgs } from 'node:util';
import {
  askForChoice,
  checkTarget,
  choiceOf,
  createProject,
  formatPlan,
  nameOfFolder,
  planCreate,
  readTemplate,
  readVariants,
  split,
  TemplateError,
  takenNames,
} from '@stackyard/template';

/** What the command gets from the outside: tests give their own. */
export interface Surroundings {
  readonly cwd: string;
  readonly stdin: NodeJS.ReadableStream;
  readonly stdout: NodeJS.WritableStream;
  readonly stderr: NodeJS.WritableStream;
  /** Whether somebody sits at a keyboard. */
  readonly interactive: boolean;
  /** Aborted by Ctrl-C and its kin. */
  readonly signal: AbortSignal;
}

const help = `Usage: npm create stackyard@latest [folder] -- [options]

Makes a new project in a folder that does not exist yet, or is empty.

  --name <name>      its command, its state, its Compose projects (default: the folder's name)
  --scope <scope>    npm scope of its packages (default: the name)
  --title <title>    its name in headings (default: from the name)
  --keep <variants>  the variants to keep, with commas between (default: all)
  --dry-run          show what would be done, and do nothing
  --json             show that as JSON
  -y, --yes          ask nothing: what was not said takes its default
  --commit           make a git repository of it, with a first commit
  --from <path>      another template: a checkout, or the archive of a package
  -h, --help         show this help
`;

/**
 * Runs the command line.
 *
 * @param carried the template that is used unless another is named
 * @returns the exit code: 0 done, 1 failed, 2 wrong usage, 130 interrupted
 */
export async function main(
  args: readonly string[],
  carried: string,
  surroundings: Surroundings,
): Promise<number> {
  const { stdout, stderr, signal } = surroundings;
  try {
    const { values, positionals } = parse(args);
    if (values.help) stdout.write(help);
    else await create(positionals[0], values, carried, surroundings);
    return 0;
  } catch (error) {
    if (signal.aborted) {
      stderr.write('interrupted; nothing was left behind\n');
      return 130;
    }
    if (!(error instanceof TemplateError)) throw error;
    const details = error.details.map((detail) => `  ${detail}\n`).join('');
    stderr.write(`error ${error.code}: ${error.message}\n${details}next: ${error.hint}\n`);
    return error.exitCode;
  }
}

type Values = ReturnType<typeof parse>['values'];

async function create(
  folder: string | undefined,
  values: Values,
  carried: string,
  { cwd, stdin, stdout, interactive, signal }: Surroundings,
): Promise<void> {
  const template = readTemplate(values.from === undefined ? carried : path.resolve(cwd, values.from));
  const asks = interactive && !values.yes;
  const target = path.resolve(cwd, folder ?? values.name ?? 'my-stack');
  checkTarget(target);
  const wishes = { ...values, keep: values.keep === undefined ? undefined : split(values.keep) };
  const defaults = {
    name: nameOfFolder(target),
    variants: readVariants(template).map(({ name }) => name),
    taken: takenNames(template),
  };
  const streams = { input: stdin, output: stdout };
  const choice = asks ? await askForChoice(wishes, defaults, streams, signal) : choiceOf(wishes, defaults);
  const operations = planCreate(template, choice);
  if (values.json) stdout.write(`${JSON.stringify(operations, undefined, 2)}\n`);
  else if (values['dry-run']) stdout.write(`${formatPlan(operations).join('\n')}\n`);
  if (values['dry-run']) return;
  const say = (line: string) => {
    if (!values.json) stdout.write(`${line}\n`);
  };
  say(`${choice.title} with ${choice.keep.join(', ')}, in ${target}`);
  await createProject(template, target, choice, { commit: values.commit ?? false, say, signal });
  const place = path.relative(cwd, target) || '.';
  const shown = /[^\w./-]/.test(place) ? JSON.stringify(place) : place;
  say(`\nnext: cd ${shown} && ./pnpmw turbo dev --filter ${choice.keep[0]}`);
}

function parse(args: readonly string[]) {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean' } as const;
  const options = {
    name: text,
    scope: text,
    title: text,
    keep: text,
    from: text,
    'dry-run': flag,
    json: flag,
    yes: { ...flag, short: 'y' },
    commit: flag,
    help: { ...flag, short: 'h' },
  } as const;
  try {
    const parsed = parseArgs({ args: [...args], options, allowPositionals: true });
    if (parsed.positionals.length <= 1) return parsed;
  } catch (cause) {
    throw wrongUsage((cause as Error).message, cause);
  }
  const hint =
    'npm passes on only what stands behind "--": npm create stackyard@latest my-app -- --keep name,name';
  throw wrongUsage('more than one folder was named', undefined, hint);
}

function wrongUsage(
  message: string,
  cause?: unknown,
  hint = 'npm create stackyard@latest -- --help lists the options',
): TemplateError {
  return new TemplateError('TEMPLATE_USAGE', message, { hint, exitCode: 2, cause });
}
