import { closeSync, writeSync } from 'node:fs';
import { Interrupts } from '../cli/interrupts.ts';
import { describeError, exitCodes, InterruptedError } from '../errors.ts';
import { load } from '../load.ts';
import type { Reporter, SupervisorMessage } from '../reporter.ts';
import { startStack } from '../start-stack.ts';
import { describeVariant } from '../workspace.ts';

/** What `stackyard up` asks for, as the one argument of the supervisor. */
export interface SupervisorRequest {
  readonly root: string;
  readonly variant: string;
  readonly driver: string | undefined;
  readonly profiles: readonly string[];
  readonly containersOnly: boolean;
}

/** The way back to the command that waits: messages, until it has heard enough. */
export interface Channel {
  tell(message: SupervisorMessage): void;
  close(): void;
}

export function tellOn(descriptor: number): Channel {
  let open = true;
  return {
    tell: (message) => {
      if (!open) return;
      try {
        writeSync(descriptor, `${JSON.stringify(message)}\n`);
      } catch {
        open = false; // the command was interrupted or killed
      }
    },
    close: () => {
      open = false;
      closeSync(descriptor);
    },
  };
}

/** Owns a stack until it is asked to stop or a service fails. Returns the exit code. */
export async function supervise(request: SupervisorRequest, channel: Channel): Promise<number> {
  const { tell } = channel;
  using interrupts = new Interrupts();
  // Where no service runs here, nothing else would keep this process alive until "down".
  const alive = setInterval(() => {}, 2 ** 30);
  const reporter: Reporter = {
    progress: (subject, message) => tell({ type: 'progress', subject, message }),
    done: (subject) => tell({ type: 'done', subject }),
    output: (name, line) => tell({ type: 'output', name, line }),
  };
  try {
    const { driver, profiles, containersOnly } = request;
    const loaded = await load(describeVariant(request.root, request.variant), {
      processEnvironment: process.env,
      driver,
      profiles,
      containersOnly,
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
    channel.close();
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
  } finally {
    clearInterval(alive);
  }
}
