import { StackyardError } from './errors.ts';
import { type Exit, formatExit } from './supervisor/managed-process.ts';

/** What the last lines of a log, or the reason of an end, give away, and what to do about it. First match wins. */
const causes: readonly { readonly pattern: RegExp; readonly cause: string; readonly hint: string }[] = [
  {
    pattern: /^the Docker engine stopped$/,
    cause: 'somebody stopped the engine, or it crashed',
    hint: 'start it (sudo systemctl start docker, or Docker Desktop), then start again',
  },
  {
    pattern: /^its container was removed$/,
    cause: 'somebody removed it, as docker rm does',
    hint: 'start again; the data are where they were',
  },
  {
    pattern: /no space left on device|ENOSPC/i,
    cause: 'the disk is full',
    hint: 'free some space, then start again',
  },
  {
    pattern: /address already in use|EADDRINUSE/i,
    cause: 'its port is taken',
    hint: 'stackyard doctor names the owner',
  },
  {
    pattern: /permission denied|EACCES|EPERM/i,
    cause: 'it may not read or write a file',
    hint: 'check who owns the folders named above',
  },
  {
    pattern: /out of memory|ENOMEM|heap out of memory|cannot allocate memory/i,
    cause: 'it ran out of memory',
    hint: 'close other programs, or give it less to do',
  },
  {
    pattern: /incompatible with server|was initialized by PostgreSQL version/i,
    cause: 'its data was made by another version',
    hint: 'restore that version, migrate the data, or stackyard reset',
  },
  {
    pattern: /password authentication failed/i,
    cause: 'its data was made with another password',
    hint: 'restore the old password in .env, or stackyard reset',
  },
  {
    pattern: /Cannot find (module|package)|ERR_MODULE_NOT_FOUND/,
    cause: 'a package is missing',
    hint: 'run ./pnpmw install',
  },
  {
    pattern: /command not found|: not found|ENOENT/,
    cause: 'a file or command is missing',
    hint: 'check the path or command named above',
  },
  // only: convex
  {
    pattern: /BadAdminKey|BadDeployKey|ReadOnlyAdminKey/,
    cause: 'the Convex deployment does not accept the admin key',
    hint: 'stackyard convex check-key says why',
  },
  {
    pattern: /CONVEX_LOCAL_DAMAGED/,
    cause: 'its stored documents are damaged',
    hint: 'bring a backup back (stackyard restore), or begin anew (stackyard reset)',
  },
  {
    pattern: /CONVEX_DEPLOYMENT must not be set/,
    cause: "an .env.local for Convex's own cloud",
    hint: "take CONVEX_DEPLOYMENT out of .env.local in the variant's folder",
  },
  // /only
  {
    pattern: /ECONNREFUSED/,
    cause: 'something it needs does not answer',
    hint: 'stackyard status shows what runs',
  },
];

export interface DeathOptions {
  readonly beforeHealthy?: boolean;
  readonly code?: `STACKYARD_${string}`;
  /** What `stackyard logs` calls it. */
  readonly log?: string;
}

/** The error for a service or script that ended by itself: how, its last words, and the likely reason. */
export function serviceDied(
  name: string,
  exit: Exit,
  lastLines: readonly string[],
  options: DeathOptions = {},
): StackyardError {
  const known =
    outOfMemory(exit) ??
    causes.find(({ pattern }) => [exit.reason ?? '', ...lastLines].some((line) => pattern.test(line))) ??
    killed(exit);
  const when = options.beforeHealthy ? ' before it was healthy' : '';
  return new StackyardError(
    options.code ?? 'STACKYARD_SERVICE_DIED',
    `${name} ended${when} (${formatExit(exit)})`,
    {
      details: [...lastLines.map((line) => `| ${line}`), ...(known ? [`likely cause: ${known.cause}`] : [])],
      hint: known?.hint ?? `read its whole log: stackyard logs ${options.log ?? name}`,
    },
  );
}

function outOfMemory(exit: Exit): { cause: string; hint: string } | undefined {
  if (!exit.outOfMemory) return undefined;
  return {
    cause: 'it needed more memory than its limit, and the system killed it',
    hint: 'raise mem_limit (or deploy.resources.limits.memory) of the service, or give it less to do',
  };
}

function killed(exit: Exit): { cause: string; hint: string } | undefined {
  if (exit.signal !== 'SIGKILL') return undefined;
  return {
    cause: 'something killed it: often the system, when memory runs out',
    hint: 'look into dmesg for "Out of memory", then start again',
  };
}
