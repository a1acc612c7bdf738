import { setTimeout as sleep } from 'node:timers/promises';
import { type ErrorReport, InterruptedError, reviveError, StackyardError } from './errors.ts';
import { failureFile, lockHolder, ownerLock, readJson, readLiveState, type StackState } from './state.ts';
import type { Variant } from './workspace.ts';

/** How long another command may take to start a stack. */
const longestStartMs = 600_000;

/** Waits until a stack that another process starts is ready; fails when nobody starts it, or when that fails. */
export async function waitUntilReady(
  variant: Variant,
  options: { readonly timeoutMs?: number; readonly signal: AbortSignal },
): Promise<StackState> {
  const { timeoutMs = longestStartMs } = options;
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    if (options.signal.aborted) throw new InterruptedError();
    const state = readLiveState(variant.stateDirectory);
    if (state?.phase === 'ready') return state;
    if (!lockHolder(ownerLock(variant.stateDirectory))) throw notRunning(variant);
    if (performance.now() > deadline) throw notReady(variant, timeoutMs, state);
    await sleep(20, undefined, { signal: options.signal }).catch(() => {});
  }
}

/** The error for a stack that is not up, with the reason why its last run ended where there is one. */
function notRunning(variant: Variant): StackyardError {
  const failure = readJson<ErrorReport>(failureFile(variant.stateDirectory));
  if (failure) return reviveError({ ...failure, message: `${variant.name} is not up: ${failure.message}` });
  return new StackyardError('STACKYARD_NOT_UP', `${variant.name} is not up`, {
    hint: `start it with "stackyard up ${variant.name}" or "stackyard dev ${variant.name}"`,
  });
}

function notReady(variant: Variant, timeoutMs: number, state: StackState | undefined): StackyardError {
  const waiting = Object.entries(state?.services ?? {}).filter(
    ([, { state: s }]) => s === 'waiting' || s === 'starting',
  );
  return new StackyardError(
    'STACKYARD_WAIT_TIMEOUT',
    `${variant.name} was not ready within ${timeoutMs / 1000} s`,
    {
      details: waiting.map(([name, record]) => `${name} is ${record.state}`),
      hint: `see what it does with "stackyard logs -f ${variant.name}", or give --timeout more seconds`,
    },
  );
}
