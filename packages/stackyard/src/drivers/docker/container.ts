import { closeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { DriverContext, Running } from '../../driver.ts';
import { StackyardError } from '../../errors.ts';
import { healthTimeout } from '../../health-timeout.ts';
import { logFile, openLog, tail } from '../../log-files.ts';
import { serviceDied } from '../../service-died.ts';
import type { PortRecord } from '../../state.ts';
import type { Exit, ManagedProcess } from '../../supervisor/managed-process.ts';
import { parseDuration } from '../../units.ts';
import { connectionUrl, refuseOtherCredentials } from './clients.ts';
import { docker } from './command.ts';
import type { ContainerEvent } from './events.ts';
import { type Inspected, inspect } from './inspect.ts';
import { engineAnswers } from './tool.ts';

/** As Docker's own. */
const defaultGraceMs = 10_000;

/** This often a service that its restart policy brings back may die before that counts as a loop. */
const deathsOfALoop = 3;
/** Deaths further apart than this are not of one loop. */
const loopMs = 60_000;

/** Longest time that `docker restart` leaves between the end of a container and its next start. */
const comebackMs = 3000;

/** Longest wait for the last lines of a container's log. */
const lastLinesMs = 2000;

/** How often to ask the engine as well, should its events be late. */
const lookMs = 2000;

/** One container of a stack. */
export class Container implements Running {
  readonly service: string;
  readonly #id: string;
  readonly #context: DriverContext;
  readonly #healthy = Promise.withResolvers<void>();
  readonly #exited = Promise.withResolvers<Exit>();
  #seen: Inspected | undefined;
  #logs: ManagedProcess | undefined;
  /** Settles when the reading of its log has begun, after its last start. */
  #following: Promise<void> = Promise.resolve();
  #exit: Exit | undefined;
  #stopping = false;
  #wasHealthy = false;
  #deaths: number[] = [];
  /** Somebody has told the engine to end it. */
  #killed = false;
  #started = Promise.withResolvers<void>();
  /** When it last ended: what it said before that is in its log already. */
  #ended: string | undefined;

  constructor(service: string, id: string, context: DriverContext) {
    this.service = service;
    this.#id = id;
    this.#context = context;
    this.#healthy.promise.catch(() => {}); // nobody asks for a service that only has to complete
  }

  get exited(): Promise<Exit> {
    return this.#exited.promise;
  }

  get source(): string {
    return `${this.#model.image ?? 'its Dockerfile'} (container)`;
  }

  get ports(): readonly PortRecord[] {
    return this.#seen?.ports ?? this.#context.stack.ports[this.service] ?? [];
  }

  get url(): string | undefined {
    return connectionUrl(this.#model, this.ports);
  }

  get #model() {
    return this.#context.stack.model.services[this.service]!;
  }

  get #environment() {
    return this.#context.stack.environment;
  }

  async start(): Promise<void> {
    const { code, stderr } = await docker(['start', this.#id], this.#environment);
    if (code !== 0) throw this.#cannotStart(stderr);
    if (this.url?.startsWith('postgresql:')) void import('pg'); // for the login at the end of the wait
    await Promise.all([this.#follow(), this.look()]);
  }

  /** Takes in what the engine tells. */
  async hear({ action, exitCode, time }: ContainerEvent): Promise<void> {
    if (action === 'kill') this.#killed = true;
    if (action === 'die') {
      this.#ended = time;
      this.#started = Promise.withResolvers();
    }
    if (action === 'start') this.#started.resolve();
    if (action === 'health_status: healthy') this.#becomeHealthy();
    if (action === 'health_status: unhealthy') await this.#failHealth();
    if (action === 'die') await this.#die(exitCode ?? null);
    if (action === 'start' && this.#ended !== undefined) await this.#follow();
  }

  /** Asks the engine how the container is, as events may have been missed. */
  async look(): Promise<void> {
    if (this.#exit || this.#stopping) return;
    const seen = await inspect(this.#id, this.#environment);
    if (!seen) return this.#vanish();
    this.#seen = seen;
    if (!seen.running && !seen.restarting && seen.finished) return this.#die(seen.exitCode);
    if (seen.health === 'healthy' || (seen.health === undefined && seen.running)) this.#becomeHealthy();
    if (seen.unhealthy) await this.#failHealth();
  }

  /** Nothing can be learnt of it any more. */
  lose(error: Error): void {
    if (!this.#stopping) this.#end({ code: null, signal: null, reason: error.message });
  }

  async healthy(signal: AbortSignal): Promise<void> {
    this.#context.progress(this.service, 'waiting until it is healthy');
    const watch = new AbortController();
    const aborted = AbortSignal.any([signal, watch.signal]);
    const limit = healthTimeout(this.#model);
    // The engine itself gives up after as many tries; this is for an engine that does not answer.
    const timer = setTimeout(() => void this.#failHealth(true), limit + 30_000);
    const interrupted = new Promise<never>((_, reject) => {
      const abort = () => reject(signal.reason);
      if (signal.aborted) abort();
      signal.addEventListener('abort', abort, { once: true });
    });
    interrupted.catch(() => {});
    void this.#lookNowAndThen(aborted);
    try {
      await Promise.race([this.#healthy.promise, interrupted]);
    } finally {
      clearTimeout(timer);
      watch.abort();
    }
    const { stack } = this.#context;
    await refuseOtherCredentials(stack, this.service, connectionUrl(this.#model, this.ports));
  }

  async stop(hurry?: AbortSignal): Promise<void> {
    this.#stopping = true;
    const grace = parseDuration(this.#model.stop_grace_period) ?? defaultGraceMs;
    const stopped = docker(['stop', '--time', String(Math.ceil(grace / 1000)), this.#id], this.#environment, {
      timeoutMs: grace + 60_000,
    });
    const kill = () => void docker(['kill', this.#id], this.#environment);
    if (hurry?.aborted) kill();
    hurry?.addEventListener('abort', kill, { once: true });
    await stopped;
    hurry?.removeEventListener('abort', kill);
    await this.#drain();
    this.#end({ code: null, signal: null });
  }

  /** Ends what follows the container; the container itself is removed with its project. */
  async close(): Promise<void> {
    await this.#following.catch(() => {});
    await this.#logs?.stop();
  }

  async #lookNowAndThen(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await sleep(lookMs, undefined, { signal, ref: false }).catch(() => {});
      if (!signal.aborted) await this.look();
    }
  }

  #becomeHealthy(): void {
    this.#wasHealthy = true;
    this.#healthy.resolve();
  }

  async #failHealth(timeUp = false): Promise<void> {
    if (this.#wasHealthy || this.#stopping || this.#exit) return;
    const seen = await inspect(this.#id, this.#environment);
    if (seen && !seen.unhealthy && !timeUp) return;
    const { stateDirectory, name } = this.#context.stack.variant;
    const answers = seen?.lastAnswers.slice(-1) ?? [];
    this.#healthy.reject(
      new StackyardError(
        'STACKYARD_UNHEALTHY',
        `${this.service} was not ready: its health check failed ${this.#model.healthcheck?.retries ?? 3} times`,
        {
          details: [
            ...answers.map((answer) => `last answer of the health check: ${answer}`),
            ...tail(logFile(stateDirectory, this.service), 12).map((line) => `| ${line}`),
          ],
          hint: `read its log (stackyard logs ${name} ${this.service}); allow it more time with retries or start_period of its healthcheck`,
        },
      ),
    );
  }

  async #die(code: number | null): Promise<void> {
    if (this.#exit || this.#stopping) return;
    const byHand = this.#killed;
    this.#killed = false;
    if (byHand && (await this.#comesBack())) return;
    const seen = await inspect(this.#id, this.#environment);
    if (this.#stopping) return;
    if (!seen) return this.#vanish();
    const outOfMemory = seen.outOfMemory ? { outOfMemory: true } : {};
    // What somebody has stopped, its policy leaves alone.
    if (byHand ? seen.restarting : seen.restarts(code)) {
      const now = performance.now();
      this.#deaths = [...this.#deaths.filter((time) => now - time < loopMs), now];
      if (this.#deaths.length < deathsOfALoop) return;
      const reason = `it restarts in a loop: ${this.#deaths.length} times exit code ${code}`;
      await this.#drain();
      return this.#end({ code, signal: null, reason, ...outOfMemory });
    }
    await this.#drain();
    this.#end({ code, signal: code === 137 ? 'SIGKILL' : null, ...outOfMemory });
  }

  /** Whether it was restarted (`docker restart`), not stopped. */
  async #comesBack(): Promise<boolean> {
    const started = this.#started.promise.then(() => true);
    return Promise.race([started, sleep(comebackMs, false, { ref: false })]);
  }

  async #vanish(): Promise<void> {
    const reason = (await engineAnswers(this.#environment))
      ? 'its container was removed'
      : 'the Docker engine stopped';
    this.#end({ code: null, signal: null, reason });
  }

  #end(exit: Exit): void {
    if (this.#exit) return;
    this.#exit = exit;
    const { stateDirectory, name } = this.#context.stack.variant;
    const lines = tail(logFile(stateDirectory, this.service), 12);
    const log = `${name} ${this.service}`;
    this.#healthy.reject(serviceDied(this.service, exit, lines, { beforeHealthy: true, log }));
    this.#exited.resolve(exit);
  }

  /** Appends the container's output to its log, as long as it runs, after what it said before it ended last. */
  #follow(): Promise<void> {
    const since = this.#ended;
    this.#following = this.#drain().then(() => this.#readLogs(since));
    this.#following.catch(() => {}); // whoever asked for it hears of it
    return this.#following;
  }

  async #readLogs(since: string | undefined): Promise<void> {
    await this.#logs?.stop();
    const log = openLog(this.#context.stack.variant.stateDirectory, this.service);
    try {
      this.#logs = await this.#context.spawn({
        name: `logs of ${this.service}`,
        command: 'docker',
        args: ['logs', '--follow', ...(since ? ['--since', since] : []), this.#id],
        environment: this.#environment as Record<string, string>,
        cwd: '/',
        stopSignal: 'SIGTERM',
        stopGraceMs: 1000,
        output: { file: log },
      });
    } finally {
      closeSync(log);
    }
  }

  /** Waits until everything the container said is in its log. */
  async #drain(): Promise<void> {
    const read = this.#following.then(
      () => this.#logs?.exited,
      () => {},
    );
    await Promise.race([read, sleep(lastLinesMs, undefined, { ref: false })]);
  }

  #cannotStart(stderr: string): StackyardError {
    const said = stderr.trim().split('\n').filter(Boolean);
    const port = /:(\d+)(?: failed)?: (?:port is already allocated|bind: address already in use|listen)/.exec(
      stderr,
    )?.[1];
    if (port !== undefined || /port is already allocated|address already in use/.test(stderr)) {
      return new StackyardError(
        'STACKYARD_PORT_BUSY',
        `port ${port ?? ''} of ${this.service} was taken meanwhile`,
        {
          details: said,
          hint: 'stackyard doctor names the owner',
        },
      );
    }
    return new StackyardError('STACKYARD_SPAWN', `the container of ${this.service} cannot be started`, {
      details: said,
      hint: 'correct what the engine names: a command, a mount or a device of the service',
    });
  }
}
