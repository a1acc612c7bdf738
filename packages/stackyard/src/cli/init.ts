import {
  askForChoice,
  choiceOf,
  formatPlan,
  initProject,
  isCheckout,
  nameOfFolder,
  openTemplate,
  planInit,
  split,
  type Wishes,
} from '@stackyard/template';
import type { Command } from 'commander';
import { StackyardError } from '../errors.ts';
import { lockHolder, ownerLock } from '../state.ts';
import { describeVariant, findWorkspace } from '../workspace.ts';
import { newCommand, type Surroundings } from './command-line.ts';
import { confirm } from './confirm.ts';
import { Interrupts, interruptible } from './interrupts.ts';

interface InitOptions extends Omit<Wishes, 'keep'> {
  readonly keep?: string;
  readonly dryRun?: boolean;
  readonly json?: boolean;
  readonly yes?: boolean;
  readonly commit?: boolean;
}

export function command(surroundings: Surroundings): Command {
  return newCommand('init', 'make this copy of the template a project of your own')
    .option('--name <name>', 'what the project is called: its command, its state, its Compose projects')
    .option('--scope <scope>', 'npm scope of its packages (default: the name)')
    .option('--title <title>', 'its name in headings (default: from the name)')
    .option('--keep <variants>', 'the variants to keep, with commas between (default: all)')
    .option('--dry-run', 'show what would be done, and do nothing')
    .option('--json', 'show that as JSON')
    .option('-y, --yes', 'ask nothing: what was not said takes its default')
    .option('--commit', 'make a first commit')
    .action((options: InitOptions) => init(surroundings, options));
}

async function init(surroundings: Surroundings, options: InitOptions): Promise<void> {
  const { stdout } = surroundings;
  const { root } = findWorkspace(surroundings.cwd);
  const template = openTemplate(root);
  const { project } = template.record;
  if (project) {
    stdout.write(`this is the project ${project.name} already; there is nothing to do\n`);
    return;
  }
  using interrupts = new Interrupts();
  const signal = interrupts.stop;
  const wishes = { ...options, keep: options.keep === undefined ? undefined : split(options.keep) };
  const defaults = { name: nameOfFolder(root), variants: template.variants, taken: template.taken };
  const asks = surroundings.interactive && !options.yes;
  const streams = { input: process.stdin, output: process.stdout };
  const choice = asks
    ? await interruptible(interrupts, () => askForChoice(wishes, defaults, streams, signal))
    : choiceOf(wishes, defaults);
  const operations = planInit(template, choice);
  if (options.json) stdout.write(`${JSON.stringify(operations, undefined, 2)}\n`);
  else {
    const plan = formatPlan(operations).join('\n');
    stdout.write(`${choice.title} keeps ${choice.keep.join(', ')}\n\n${plan}\n`);
  }
  if (options.dryRun) return;
  refuseRunning(root, template.variants);
  if (asks && !(await confirm('Do this?', true))) {
    stdout.write('nothing was changed\n');
    return;
  }
  const say = (line: string) => options.json || stdout.write(`${line}\n`);
  const committed = await interruptible(interrupts, () =>
    initProject(template, choice, { commit: options.commit ?? false, signal, say }),
  );
  if (options.json) return;
  const dev = `./pnpmw turbo dev --filter ${choice.keep[0]}`;
  const commit = `${isCheckout(root) ? '' : 'git init && '}git add --all && git commit`;
  stdout.write(`\nthis is ${choice.title} now\nnext: ${committed ? dev : `${commit}, then ${dev}`}\n`);
}

/** A stack that runs would lose its programs and its state from under it. */
function refuseRunning(root: string, variants: readonly string[]): void {
  const running = variants.filter((name) =>
    lockHolder(ownerLock(describeVariant(root, name).stateDirectory)),
  );
  if (running.length === 0) return;
  throw new StackyardError('STACKYARD_INIT_RUNNING', `${running.join(', ')} runs, and init moves its files`, {
    hint: 'stop it first: stackyard down',
  });
}
