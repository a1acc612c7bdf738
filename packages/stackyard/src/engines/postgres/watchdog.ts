import { spawn } from 'node:child_process';

/** Ends a server when this process dies, even by SIGKILL, and then deletes `temporary`. */
export function serverWatchdog(pid: number, temporary: string | undefined): Disposable {
  return watch(endServer, String(pid), temporary ?? '');
}

/** Kills a process group when this process dies. */
export function groupWatchdog(leader: number): Disposable {
  return watch('kill -s KILL -- "-$1"', String(leader));
}

/**
 * A shell holds the other end of a pipe: a line through it means that all is well, an end of file that nobody is left
 * to look after the process.
 *
 * Not available on Windows, where the operating system offers no such shell.
 */
function watch(atEnd: string, ...args: string[]): Disposable {
  if (process.platform === 'win32') return { [Symbol.dispose]() {} };
  const script = `if read -r line; then exit 0; fi\n${atEnd}`;
  const shell = spawn('/bin/sh', ['-c', script, 'watchdog', ...args], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
    cwd: '/',
    env: { PATH: process.env.PATH ?? '/usr/bin:/bin' },
  });
  shell.once('error', () => {});
  shell.stdin.once('error', () => {});
  shell.unref();
  return {
    [Symbol.dispose]() {
      shell.stdin.end('done\n');
    },
  };
}

/**
 * SIGQUIT makes PostgreSQL end its children at once and free its shared memory; SIGKILL would leave both. A zombie,
 * which a container's first process may never collect, has no program any more.
 */
const endServer = `
lives() { kill -0 "$1" 2>/dev/null && { [ ! -d /proc/self ] || [ -e "/proc/$1/exe" ]; }; }
kill -s QUIT "$1"
tries=0
while lives "$1" && [ "$tries" -lt 100 ]; do sleep 0.05; tries=$((tries + 1)); done
kill -s KILL "$1" 2>/dev/null
[ -z "$2" ] || rm -rf -- "$2"
`;
