import { type ChildProcess, spawn } from 'node:child_process';

/**
 * Reads `add <group> <signal>` and `del <group>`. End-of-file means that the supervisor is gone, however it went:
 * every group left is asked to stop, and killed 300 ms later.
 */
const script = `
trap '' INT TERM HUP
groups=
while read -r verb group signal; do
  kept=
  for entry in $groups; do [ "\${entry%:*}" = "$group" ] || kept="$kept $entry"; done
  groups=$kept
  [ "$verb" = add ] && groups="$groups $group:$signal"
done
for entry in $groups; do kill -s "\${entry#*:}" -- "-\${entry%:*}" 2>/dev/null; done
[ -z "$groups" ] || sleep 0.3
for entry in $groups; do kill -s KILL -- "-\${entry%:*}" 2>/dev/null; done
`;

/** A process of its own that outlives a SIGKILL of this one, just long enough to end the groups it was told of. */
export class Watchdog implements Disposable {
  readonly #shell: ChildProcess;

  constructor() {
    this.#shell = spawn('/bin/sh', ['-c', script, 'stackyard-watchdog'], {
      cwd: '/',
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
      env: { PATH: process.env.PATH ?? '/usr/bin:/bin' },
    });
    this.#shell.on('error', () => {});
    this.#shell.stdin?.on('error', () => {}); // the watchdog was killed: there is nobody to tell
    this.#shell.unref();
    (this.#shell.stdin as unknown as { unref?: () => void } | null)?.unref?.();
  }

  get pid(): number | undefined {
    return this.#shell.pid;
  }

  add(group: number, signal: NodeJS.Signals): void {
    this.#shell.stdin?.write(`add ${group} ${signal.replace(/^SIG/, '')}\n`);
  }

  remove(group: number): void {
    this.#shell.stdin?.write(`del ${group}\n`);
  }

  [Symbol.dispose](): void {
    this.#shell.stdin?.end();
  }
}
