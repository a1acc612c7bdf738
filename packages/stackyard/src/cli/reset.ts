import { rmSync } from 'node:fs';
import type { Command } from 'commander';
import { backupName, backupStack, removeLeft, settle } from '../backup/backup.ts';
import { chooseProfiles } from '../configuration.ts';
import type { StoredData } from '../driver.ts';
import { describeError, InterruptedError, StackyardError } from '../errors.ts';
import { type LoadedStack, load } from '../load.ts';
import { OwnedError } from '../start-stack.ts';
import { acquireLock, ownerLock } from '../state.ts';
import { formatBytes } from '../units.ts';
import {
  chooseVariant,
  newCommand,
  type StackOptions,
  type Surroundings,
  withStackOptions,
  withVariant,
} from './command-line.ts';
import { confirm } from './confirm.ts';
import { stopStack } from './down.ts';
import { Interrupts } from './interrupts.ts';
import { formatTable, ProgressDisplay } from './terminal.ts';

export function command(surroundings: Surroundings): Command {
  return withStackOptions(withVariant(newCommand('reset', 'delete what the services of a stack have stored')))
    .option('-y, --yes', 'do not ask')
    .option('--no-backup', 'delete without a backup')
    .addHelpText(
      'after',
      '\nSays what it would delete and asks; stops the stack, and takes a backup first. Settings (.env) stay.',
    )
    .action((variant: string | undefined, options: ResetOptions) => reset(surroundings, variant, options));
}

interface ResetOptions extends StackOptions {
  readonly yes?: boolean;
  readonly backup: boolean;
}

async function reset(
  surroundings: Surroundings,
  name: string | undefined,
  options: ResetOptions,
): Promise<void> {
  const variant = chooseVariant(surroundings, name);
  const loaded = await load(variant, {
    processEnvironment: surroundings.environment,
    driver: options.driver,
    profiles: chooseProfiles(options.profile, variant),
  });
  const { stack, driver } = loaded;
  const stored = driver.data(stack).flatMap((data) => {
    const bytes = data.size();
    return bytes === undefined ? [] : [{ data, bytes }];
  });
  const { stdout } = surroundings;
  if (stored.length === 0) {
    await removeLeft(loaded);
    stdout.write(`${variant.name} has stored nothing\n`);
    return;
  }
  stdout.write(`reset deletes, for good:\n${describe(stored).join('\n')}\n`);
  if (!options.yes && !(await confirmed(surroundings, variant.name))) {
    stdout.write('nothing was deleted\n');
    return;
  }
  using interrupts = new Interrupts();
  await stopStack(variant, surroundings, interrupts);
  // Held while the data goes: nobody may start on half of it.
  const lock = acquireLock(ownerLock(variant.stateDirectory));
  if ('holder' in lock) throw new OwnedError(variant.name, lock.holder);
  try {
    await settle(stack);
    if (options.backup)
      stdout.write(`a backup is in ${await backupFirst(loaded, surroundings, interrupts)}\n`);
    if (interrupts.stop.aborted) throw new InterruptedError(); // too late for the backup, not for the data
  } catch (error) {
    lock.release();
    throw error;
  }
  await removeLeft(loaded);
  for (const { data } of stored) await data.remove();
  rmSync(variant.stateDirectory, { recursive: true, force: true });
  stdout.write(`${variant.name} is reset; the next start makes it anew\n`);
}

async function backupFirst(
  loaded: LoadedStack,
  surroundings: Surroundings,
  interrupts: Interrupts,
): Promise<string> {
  using display = new ProgressDisplay(surroundings.stdout, (_, line) => line);
  const folder = backupName(loaded.stack, new Date());
  try {
    const options = { folder, reporter: display, signal: interrupts.stop, locked: true };
    return (await backupStack(loaded, options)).folder;
  } catch (cause) {
    if (interrupts.stop.aborted) throw new InterruptedError();
    const { message, details, hint } = describeError(cause);
    throw new StackyardError('STACKYARD_RESET_BACKUP', `the backup before the reset failed: ${message}`, {
      details,
      hint: `${hint ? `${hint}; or ` : ''}delete without a backup: --no-backup. Nothing was deleted`,
      cause,
    });
  }
}

function describe(stored: readonly { data: StoredData; bytes: number }[]): string[] {
  return formatTable(
    stored.map(({ data, bytes }) => [`  ${data.label}`, formatBytes(bytes), `(${data.service})`]),
  );
}

async function confirmed(surroundings: Surroundings, variant: string): Promise<boolean> {
  if (!surroundings.interactive) {
    throw new StackyardError('STACKYARD_RESET_UNCONFIRMED', 'reset asks first, and here is nobody to ask', {
      hint: `add --yes when you are sure: stackyard reset ${variant} --yes`,
    });
  }
  return confirm('Delete this?', false);
}
