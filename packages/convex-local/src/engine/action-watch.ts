import type { ActionScope } from './action-scope.ts';
import { currentCall, host } from './environment.ts';
import { FunctionError } from './function-error.ts';

const CHECK_MS = 500;
/** An action with nothing to wait for is given this many checks before it is ended. */
const IDLE_CHECKS = 4;

interface RunningAction {
  readonly name: string;
  readonly fail: (error: Error) => void;
  readonly started: number;
  idleChecks: number;
}

/**
 * Ends actions that cannot end by themselves: those beyond their time, those that wait for something nobody will
 * ever do, and those whose callback threw outside of any promise.
 */
export class ActionWatch {
  readonly #running = new Map<ActionScope, RunningAction>();
  readonly #limitMs: number;
  #timer: NodeJS.Timeout | undefined;

  constructor(limitMs: number) {
    this.#limitMs = limitMs;
  }

  get running(): number {
    return this.#running.size;
  }

  /** Resolves as the action does, or rejects when it has to be ended. */
  async run<T>(scope: ActionScope, work: Promise<T>): Promise<T> {
    const ended = new Promise<never>((_, fail) => {
      const name = scope.functionName.split(':').at(-1)!;
      this.#running.set(scope, { name, fail, started: host.now(), idleChecks: 0 });
    });
    this.#timer ??= host.setInterval(() => this.#check(), CHECK_MS).unref();
    try {
      return await Promise.race([work, ended]);
    } finally {
      this.#running.delete(scope);
      if (this.#running.size === 0) {
        host.clearInterval(this.#timer);
        this.#timer = undefined;
      }
    }
  }

  /** An error that no promise caught: it ends the action whose callback threw it. */
  uncaught(error: unknown): void {
    const scope = currentCall.getStore();
    const message = error instanceof Error ? error.message : String(error);
    const failure = new FunctionError(`uncaughtException: ${message}`);
    for (const [candidate, action] of this.#running) {
      if (scope === undefined || candidate === scope) action.fail(failure);
    }
  }

  #check(): void {
    // Timers of the engine are unreferenced, so what is left besides ports belongs to user code.
    const quiet = process.getActiveResourcesInfo().every((name) => name === 'MessagePort');
    for (const [scope, action] of this.#running) {
      const timedOut = host.now() - action.started > this.#limitMs;
      action.idleChecks = quiet && scope.pendingCalls === 0 ? action.idleChecks + 1 : 0;
      if (!timedOut && action.idleChecks < IDLE_CHECKS) continue;
      const why = timedOut ? '' : ': it waits for something that cannot happen';
      action.fail(
        new FunctionError(
          `Action \`${action.name}\` execution timed out (maximum duration ${this.#limitMs / 1000}s)${why}`,
        ),
      );
    }
  }
}
