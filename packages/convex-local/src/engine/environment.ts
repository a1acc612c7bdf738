import { AsyncLocalStorage } from 'node:async_hooks';
import { pathToFileURL } from 'node:url';
import { inspect } from 'node:util';
import type { ActionScope } from './action-scope.ts';
import { RequestError } from './function-error.ts';
import { installRequire } from './module-loader.ts';
import type { TransactionScope } from './transaction-scope.ts';

/** The call that the code running now belongs to. */
export const currentCall = new AsyncLocalStorage<TransactionScope | ActionScope>();

/** The engine's own view of the globals that user code sees changed. */
export const host = {
  now: Date.now.bind(Date),
  setTimeout,
  setImmediate,
  setInterval,
  clearTimeout,
  clearInterval,
  Date,
};

type Level = 'DEBUG' | 'LOG' | 'INFO' | 'WARN' | 'ERROR';

function formatLogArgument(value: unknown): string {
  return typeof value === 'string'
    ? `'${value}'`
    : inspect(value, { depth: 10, breakLength: Number.POSITIVE_INFINITY });
}

function consoleFor(original: Console): Console {
  const write = (level: Level) => {
    return (...args: unknown[]) => {
      currentCall.getStore()?.log(`[${level}] ${args.map(formatLogArgument).join(' ')}`);
    };
  };
  const perCall = new WeakMap<object, Map<string, number>>();
  const timers = () => {
    const call = currentCall.getStore() ?? perCall;
    let known = perCall.get(call);
    if (known === undefined) {
      known = new Map();
      perCall.set(call, known);
    }
    return known;
  };
  return {
    ...original,
    debug: write('DEBUG'),
    log: write('LOG'),
    info: write('INFO'),
    warn: write('WARN'),
    error: write('ERROR'),
    trace: write('LOG'),
    dir: write('LOG'),
    time: (label = 'default') => {
      if (timers().has(label)) write('WARN')(`Timer '${label}' already exists`);
      else timers().set(label, performance.now());
    },
    timeLog: (label = 'default', ...rest: unknown[]) => {
      const started = timers().get(label);
      if (started === undefined) write('WARN')(`Timer '${label}' does not exist`);
      else write('INFO')(`${label}: ${Math.floor(performance.now() - started)}ms`, ...rest);
    },
    timeEnd: (label = 'default') => {
      const started = timers().get(label);
      if (started === undefined) write('WARN')(`Timer '${label}' does not exist`);
      else write('INFO')(`${label}: ${Math.floor(performance.now() - started)}ms`);
      timers().delete(label);
    },
  };
}

function forbidInTransactions(name: string, message: string): void {
  const globals = globalThis as unknown as Record<string, (...args: unknown[]) => unknown>;
  const original = globals[name]!;
  globals[name] = (...args) => {
    if (currentCall.getStore()?.deterministic) throw new Error(message);
    return original(...args);
  };
}

/** Shows the files of pushed code as Convex does: `convex:/user/messages.js`. */
function nameUserFiles(modulesRoot: string): void {
  const prefix = pathToFileURL(modulesRoot).href.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  const root = new RegExp(`${prefix}/[0-9a-f]{32}/`, 'g');
  Error.prepareStackTrace = (error, sites) => {
    let head: string;
    try {
      head = Error.prototype.toString.call(error);
    } catch {
      head = 'Error';
    }
    return [head, ...sites.map((site) => `    at ${site}`)].join('\n').replace(root, 'convex:/user/');
  };
}

/**
 * Gives user code the globals it has on Convex: the `Convex` syscalls, a console that is collected, and inside
 * queries and mutations a clock that stands still, seeded randomness, and neither timers nor the network.
 */
export function installEnvironment(modulesRoot: string): void {
  nameUserFiles(modulesRoot);
  installRequire();
  const call = () => {
    const scope = currentCall.getStore();
    if (scope === undefined)
      throw new Error('Convex functions can only be used while a Convex function runs.');
    return scope;
  };
  const syscalls = {
    syscall: (name: string, args: string) => JSON.stringify(call().syscall(name, JSON.parse(args))),
    asyncSyscall: async (name: string, args: string) => {
      const scope = call();
      try {
        return JSON.stringify((await scope.asyncSyscall(name, JSON.parse(args))) ?? null);
      } catch (error) {
        // The `convex` package makes another error of it, and user code may catch that one.
        if (error instanceof RequestError) scope.fatal = error;
        throw error;
      }
    },
    jsSyscall: (name: string, args: Record<string, unknown>) => call().jsSyscall(name, args),
  };
  class ConvexDate extends Date {
    constructor(...args: [] | [number]) {
      if (args.length === 0) super(ConvexDate.now());
      else super(...args);
    }
    static override now(): number {
      const scope = currentCall.getStore();
      return scope?.deterministic ? scope.clock() : host.now();
    }
  }
  const random = Math.random.bind(Math);
  Math.random = () => {
    const scope = currentCall.getStore();
    return scope?.deterministic ? scope.random() : random();
  };
  Object.assign(globalThis, { Convex: syscalls, Date: ConvexDate, console: consoleFor(console) });
  const advice =
    'Please consider using an action. See https://docs.convex.dev/functions/actions for more details.';
  forbidInTransactions('setTimeout', `Can't use setTimeout in queries and mutations. ${advice}`);
  forbidInTransactions('setInterval', `Can't use setInterval in queries and mutations. ${advice}`);
  forbidInTransactions('fetch', `Can't use fetch() in queries and mutations. ${advice}`);
}
