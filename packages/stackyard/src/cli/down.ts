import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import { loadDriver } from '../drivers/index.ts';
import { InterruptedError, StackyardError } from '../errors.ts';
import { isAlive, type ProcessIdentity } from '../processes.ts';
import { lockHolder, ownerLock, readState, type StackState } from '../state.ts';
import type { Variant } from '../workspace.ts';
import { chooseVariants, newCommand, type Surroundings, withVariant } from './command-line.ts';
import { Interrupts } from './interrupts.ts';
import { ProgressDisplay } from './terminal.ts';

/** After a Ctrl-C, an owner that does not end by itself within this is killed, and cleaned up after. */
const hurryMs = 3000;

export function command(surroundings: Surroundings): Command {
  return withVariant(newCommand('down', 'stop a stack; its data stays'))
    .addHelpText(
      'after',
      `
Stops the services in reverse order, each with its grace period, and waits for them; Ctrl-C ends the waiting
and the services at once. Also stops the stack of a "stackyard dev". From the root without a variant: every
variant. Nothing is deleted.`,
    )
    .action((variant: string | undefined) => down(surroundings, variant));
}

async function down(surroundings: Surroundings, name: string | undefined): Promise<void> {
  using interrupts = new Interrupts();
  for (const variant of chooseVariants(surroundings, name).variants) {
    const was = await stopStack(variant, surroundings, interrupts);
    surroundings.stdout.write(`${variant.name} ${was ? 'stopped' : 'is not up'}\n`);
  }
}

/** Stops a stack whoever owns it, and cleans up after a dead owner; false when there was nothing to stop. */
export async function stopStack(
  variant: Variant,
  surroundings: Surroundings,
  interrupts: Interrupts,
): Promise<boolean> {
  const owner = lockHolder(ownerLock(variant.stateDirectory));
  const state = readState(variant.stateDirectory);
  if (!owner) {
    if (!state) return false;
    await recover(state, variant, surroundings);
    return true;
  }
  using display = new ProgressDisplay(surroundings.stdout, (_, line) => line);
  display.progress(variant.name, `stopping (process ${owner.pid})`);
  // A second signal would end the grace period of the first.
  if (!(state?.phase === 'stopping' && state.owner.pid === owner.pid)) send(owner, 'SIGTERM');
  let patience = Number.POSITIVE_INFINITY;
  const hurry = () => {
    send(owner, 'SIGTERM');
    patience = performance.now() + hurryMs;
  };
  interrupts.stop.addEventListener('abort', hurry, { once: true });
  while (isAlive(owner)) {
    if (interrupts.hurry.aborted || performance.now() > patience) send(owner, 'SIGKILL');
    await sleep(10);
  }
  const left = readState(variant.stateDirectory);
  // Not the state of a start that came right after.
  if (left && !isAlive(left.owner)) await recover(left, variant, surroundings);
  if (interrupts.stop.aborted) throw new InterruptedError();
  return true;
}

async function recover(state: StackState, variant: Variant, surroundings: Surroundings): Promise<void> {
  const { readEnvironment } = await import('../configuration.ts');
  const { environment } = readEnvironment(variant, surroundings.environment);
  const left = await (await loadDriver(state.driver)).recover(state, environment);
  if (left) throw left;
}

function send(owner: ProcessIdentity, signal: NodeJS.Signals): void {
  if (!isAlive(owner)) return;
  try {
    process.kill(owner.pid, signal);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ESRCH') return; // it ended this moment
    throw new StackyardError(
      'STACKYARD_NOT_PERMITTED',
      `process ${owner.pid}, which owns the stack, is another user's`,
      {
        hint: 'run this as the user who started it',
        cause,
      },
    );
  }
}
