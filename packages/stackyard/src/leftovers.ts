import { setTimeout as sleep } from 'node:timers/promises';
import { groupLives, isAlive, type ProcessIdentity, signalGroup } from './processes.ts';

/** How long what is left of a dead supervisor may take to stop by itself. */
const graceMs = 2000;

/** Ends the groups of recorded processes that still run, and waits for that: only those that are provably the same. */
export async function endLeftovers(recorded: readonly ProcessIdentity[]): Promise<void> {
  const left = recorded.filter(isAlive).map(({ pid }) => pid);
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    for (const group of left) signalGroup(group, signal);
    const deadline = performance.now() + graceMs;
    while (left.some(groupLives) && performance.now() < deadline) await sleep(10);
  }
}
