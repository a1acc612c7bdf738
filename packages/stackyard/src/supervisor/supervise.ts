import { closeSync } from 'node:fs';
import { Interrupts } from '../cli/interrupts.ts';
import { describeError, exitCodes, InterruptedError } from '../errors.ts';
import { load } from '../load.ts';
import type { Reporter, SupervisorMessage } from '../reporter.ts';
import { startStack } from '../start-stack.ts';
import { describeVariant } from '../workspace.ts';
import type { SupervisorRequest } from './background.ts';

/** Owns a stack until it is asked to stop or a service fails. Returns the exit code. */
export async function supervise(
  request: SupervisorRequest,
  tell: (message: SupervisorMessage) => void,
): Promise<number> {
  using interrupts = new Interrupts();
  const reporter: Reporter = {
    progress: (subject, message) => tell({ type: 'progress', subject, message }),
    done: (subject) => tell({ type: 'done', subject }),
    output: (name, line) => tell({ type: 'output', name, line }),
  };
  try {
    const { driver, profiles } = request;
    const loaded = await load(describeVariant(request.root, request.variant), {
      processEnvironment: process.env,
      driver,
      profiles,
    });
    const running = await startStack({
      ...loaded,
      mode: 'up',
      reporter,
      processEnvironment: process.env,
      signal: interrupts.stop,
      hurry: interrupts.hurry,
    });
    tell({ type: 'ready' });
    closeSync(3); // the command that waited is done
    const failure = await Promise.race([interrupts.stopped, running.failed]).catch((error: unknown) => error);
    await running.stop(failure);
    if (failure === undefined) return exitCodes.ok;
    console.error(failure);
    return exitCodes.failure;
  } catch (error) {
    tell({ type: 'failed', error: describeError(error) });
    if (error instanceof InterruptedError) return exitCodes.interrupted;
    console.error(error);
    return exitCodes.failure;
  }
}
