import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { projectName } from '../../src/drivers/docker/project.ts';
import { isPortFree } from '../../src/ports.ts';
import { commandOf, listProcesses, workingDirectoryOf } from '../../src/processes.ts';
import { devScript, webService } from './services.ts';

const bin = path.join(import.meta.dirname, '..', '..', 'src', 'bin', 'stackyard.js');

/** A service of the contract, as both drivers run it. */
export interface ContractService {
  readonly environment?: Readonly<Record<string, string>>;
  readonly port: number;
  readonly dependsOn?: Readonly<Record<string, string>>;
  readonly retries?: number;
  readonly gracePeriod?: string;
}

export interface ContractVariant {
  readonly services: Readonly<Record<string, ContractService>>;
  /** Further services, as the Compose file writes them. */
  readonly others?: Readonly<Record<string, unknown>>;
  readonly scripts?: Readonly<Record<string, string>>;
}

export interface Outcome {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A checkout in a temporary folder whose name holds a space. */
export class ContractWorkspace implements AsyncDisposable {
  readonly root: string;
  readonly #driver: string;
  readonly #commands = new Set<RunningCommand>();

  constructor(driver: string, variants: Readonly<Record<string, ContractVariant>>) {
    this.#driver = driver;
    this.root = realpathSync(mkdtempSync(path.join(tmpdir(), 'stackyard contract ')));
    // Compose 1.29 takes a file without any service for one of its first format.
    this.write('infra/compose.yaml', 'services:\n  base: { image: node:24, profiles: [never] }\n');
    this.write('service.mjs', webService);
    this.write('script.mjs', devScript);
    for (const [name, variant] of Object.entries(variants)) this.variant(name, variant);
  }

  write(file: string, text: string): void {
    const target = path.join(this.root, file);
    mkdirSync(path.dirname(target), { recursive: true });
    writeFileSync(target, text);
  }

  read(file: string): string {
    return readFileSync(path.join(this.root, file), 'utf8');
  }

  variant(name: string, { services, others, scripts }: ContractVariant): void {
    const entries = Object.entries(services).map(([key, service]) => [
      key,
      composeService(name, key, service),
    ]);
    // JSON is YAML
    this.write(
      `apps/${name}/compose.yaml`,
      JSON.stringify({ services: { ...Object.fromEntries(entries), ...others } }),
    );
    this.write(`apps/${name}/package.json`, JSON.stringify({ name, private: true, scripts: scripts ?? {} }));
  }

  /** Starts a command of Stackyard below the shell of a package script, as pnpm does. */
  launch(args: readonly string[]): RunningCommand {
    const script = `"$NODE" "$BIN" ${args.join(' ')}; true`;
    return this.#spawn('/bin/sh', ['-c', script], { env: { NODE: process.execPath, BIN: bin } });
  }

  /** Starts a command of Stackyard in a folder of the workspace. */
  start(
    args: readonly string[],
    options: { cwd?: string; env?: Record<string, string> } = {},
  ): RunningCommand {
    return this.#spawn(process.execPath, [bin, ...args], options);
  }

  #spawn(
    program: string,
    args: readonly string[],
    options: { cwd?: string; env?: Record<string, string> },
  ): RunningCommand {
    const child = spawn(program, args, {
      cwd: path.join(this.root, options.cwd ?? ''),
      env: {
        PATH: process.env.PATH,
        HOME: this.root,
        ...(process.env.DOCKER_CONFIG ? { DOCKER_CONFIG: process.env.DOCKER_CONFIG } : {}),
        LEAKED: 'by the shell',
        STACKYARD_DRIVER: this.#driver,
        ...options.env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    const command = new RunningCommand(child);
    this.#commands.add(command);
    return command;
  }

  run(
    args: readonly string[],
    options: { cwd?: string; env?: Record<string, string> } = {},
  ): Promise<Outcome> {
    return this.start(args, options).outcome;
  }

  async status(
    variant: string,
  ): Promise<{ up: boolean; stack?: { services: Record<string, { state: string; process?: never }> } }> {
    return JSON.parse((await this.run(['status', variant, '--json'])).stdout);
  }

  events(): string[] {
    try {
      return this.read('events.log').trim().split('\n');
    } catch {
      return [];
    }
  }

  /** What still is there of this workspace: command lines of processes apart from zombies, containers, networks. */
  leftovers(): string[] {
    const processes = listProcesses().flatMap((pid) => {
      const directory = workingDirectoryOf(pid);
      const command = commandOf(pid) ?? '';
      return directory?.startsWith(this.root) || command.includes(this.root) ? [command] : [];
    });
    return this.#driver === 'docker' ? [...processes, ...this.#containers(), ...this.#networks()] : processes;
  }

  #containers(): string[] {
    const filter = `label=com.docker.compose.project.working_dir=${this.root}`;
    return ask('ps', '--all', '--filter', filter, '--format', '{{.Names}} {{.Status}}');
  }

  #networks(): string[] {
    const projects = readdirSync(path.join(this.root, 'apps')).map((name) => projectName(this.root, name));
    return projects.flatMap((project) =>
      ask(
        'network',
        'ls',
        '--filter',
        `label=com.docker.compose.project=${project}`,
        '--format',
        '{{.Name}}',
      ),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.leftovers().length > 0) await this.run(['down']);
    for (const command of this.#commands) command.kill('SIGKILL');
    await eventually(
      () => this.leftovers().length === 0,
      () => `still running: ${this.leftovers().join('; ')}`,
    );
    rmSync(this.root, { recursive: true, force: true });
  }
}

/** The lines that `docker` answers. */
function ask(...args: string[]): string[] {
  return execFileSync('docker', args, { encoding: 'utf8' }).split('\n').filter(Boolean);
}

function composeService(variant: string, name: string, service: ContractService): unknown {
  const { environment, port, dependsOn, retries = 100, gracePeriod = '5s' } = service;
  // Bash alone: starting Node for every probe would keep a small machine busy.
  const request = String.raw`GET /health HTTP/1.0\r\n\r\n`;
  const probe = `exec 3<>/dev/tcp/127.0.0.1/8080 && printf '${request}' >&3 && head -n 1 <&3 | grep -q ' 200 '`;
  return {
    image: 'node:24',
    working_dir: '/workspace',
    command: ['node', 'service.mjs'],
    volumes: ['.:/workspace', `./data/${variant}/${name}:/data`],
    environment: { NAME: name, ...environment },
    ports: [`127.0.0.1:\${${variant.toUpperCase()}_${name.toUpperCase()}_PORT:-${port}}:8080`],
    depends_on: Object.fromEntries(
      Object.entries(dependsOn ?? {}).map(([key, condition]) => [key, { condition }]),
    ),
    healthcheck: { test: ['CMD', 'bash', '-c', probe], interval: '200ms', timeout: '1s', retries },
    stop_grace_period: gracePeriod,
    'x-embedded': { engine: 'process', command: ['node', 'service.mjs'], ready: { http: '/health' } },
  };
}

/** A command of Stackyard that runs. */
export class RunningCommand {
  readonly pid: number;
  readonly outcome: Promise<Outcome>;
  readonly #child: ChildProcess;
  #stdout = '';
  #stderr = '';

  constructor(child: ChildProcess) {
    this.#child = child;
    this.pid = child.pid!;
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#stdout += text;
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text;
    });
    this.outcome = new Promise((resolve) => {
      child.once('close', (code, signal) =>
        resolve({ code, signal, stdout: this.#stdout, stderr: this.#stderr }),
      );
    });
  }

  get output(): string {
    return this.#stdout + this.#stderr;
  }

  kill(signal: NodeJS.Signals): void {
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.#child.kill(signal);
  }

  /** Waits until the command has printed something; fails when it ends first. */
  async prints(text: string, timeoutMs?: number): Promise<void> {
    let ended = false;
    void this.outcome.then(() => {
      ended = true;
    });
    await eventually(
      () => this.output.includes(text) || ended,
      () => `${JSON.stringify(text)} is not in:\n${this.output}`,
      timeoutMs,
    );
    if (!this.output.includes(text))
      throw new Error(`it ended before it printed ${JSON.stringify(text)}:\n${this.output}`);
  }
}

/** Looks until something holds; fails with a description after a minute unless told: containers take their time. */
export async function eventually(
  holds: () => boolean | Promise<boolean>,
  otherwise: () => string,
  timeoutMs = 60_000,
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const before = performance.now();
    if (await holds()) return;
    const now = performance.now();
    if (now > deadline) throw new Error(otherwise());
    // A look at all processes takes as long as what is waited for needs: it must not be had all the time.
    await sleep(Math.max(10, 2 * (now - before)));
  }
}

/**
 * Different free ports, below those that the system gives to outgoing connections: one of those may be taken
 * again before a test gets to use it.
 */
export async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>();
  while (ports.size < count) {
    const port = 15_000 + Math.floor(Math.random() * 15_000);
    if (await isPortFree(port)) ports.add(port);
  }
  return [...ports];
}
