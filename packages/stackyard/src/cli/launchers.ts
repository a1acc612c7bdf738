import { commandOf, identify, isAlive, type ProcessIdentity, parentOf } from '../processes.ts';

/** Programs that only start others, as the first words of their command line. */
const launcher =
  /^(\S*\/)?(pnpm|npm|npx|yarn|turbo)\b|^(\S*\/)?(sh|bash|dash) -c |^(\S*\/)?node \S*\/(pnpm|npm|npx|yarn|turbo)/;

/** How often to look. */
const watchMs = 250;

/** The commands between this process and whoever called them: `sh -c`, pnpm, turbo. */
function findLaunchers(): ProcessIdentity[] {
  const found: ProcessIdentity[] = [];
  for (let pid = parentOf(process.pid); pid !== undefined && pid > 1; pid = parentOf(pid)) {
    const identity = launcher.test(commandOf(pid) ?? '') ? identify(pid) : undefined;
    if (!identity) break;
    found.push(identity);
  }
  return found;
}

/**
 * Calls back once when one of the commands that launched this process is gone: it was killed without a chance to
 * pass that on, and nobody is left to press Ctrl-C.
 */
export function watchLaunchers(onGone: () => void): Disposable {
  const launchers = findLaunchers();
  const timer = setInterval(() => {
    if (launchers.every(isAlive)) return;
    clearInterval(timer);
    onGone();
  }, watchMs);
  timer.unref();
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
