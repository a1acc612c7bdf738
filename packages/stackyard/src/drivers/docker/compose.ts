import { closeSync } from 'node:fs';
import type { DriverContext, Stack } from '../../driver.ts';
import { StackyardError } from '../../errors.ts';
import { logFile, openLog, tail } from '../../log-files.ts';
import { looksSecret } from '../../mask.ts';
import { type ComposeTool, withVersion } from './tool.ts';

/** Compose on the files of one stack, under the stack's project name. */
export class Compose {
  readonly #tool: Omit<ComposeTool, 'version'>;
  readonly #project: string;
  readonly #stack: Stack;

  constructor(tool: Omit<ComposeTool, 'version'>, project: string, stack: Stack) {
    this.#tool = tool;
    this.#project = project;
    this.#stack = stack;
  }

  /** Creates networks, volumes and containers, and starts none. */
  async create(services: readonly string[], context: DriverContext): Promise<void> {
    if (services.length > 0)
      await this.#run(['up', '--no-start', '--no-deps', ...services], context, 'creating');
  }

  async start(service: string, context: DriverContext): Promise<void> {
    await this.#run(['up', '--detach', '--no-deps', '--no-recreate', service], context, 'starting');
  }

  async pull(services: readonly string[], context: DriverContext): Promise<void> {
    await this.#run(['pull', ...services], context, 'pulling the image');
  }

  /** What a step that fails ran in goes too: Compose 2 keeps none, older ones do. */
  async build(services: readonly string[], context: DriverContext): Promise<void> {
    await this.#run(['build', '--force-rm', ...services], context, 'building the image');
  }

  /** The command's own lines go to the log `compose`. */
  async #run(args: readonly string[], context: DriverContext, doing: string): Promise<void> {
    const { variant, profiles } = this.#stack;
    const log = openLog(variant.stateDirectory, 'compose');
    const names = args.filter((word) => this.#stack.model.services[word]);
    for (const name of names) context.progress(name, doing);
    const files = variant.files.flatMap((file) => ['--file', file]);
    const active = profiles.flatMap((profile) => ['--profile', profile]);
    try {
      const child = await context.spawn({
        name: 'compose',
        command: this.#tool.program,
        args: [
          ...this.#tool.prefix,
          ...['--project-name', this.#project, '--project-directory', variant.root],
          ...[...files, ...active, ...args],
        ],
        environment: this.#environment(),
        cwd: variant.root,
        stopSignal: 'SIGINT',
        stopGraceMs: 5000,
        output: { file: log },
      });
      const stop = () => void child.stop();
      context.signal.addEventListener('abort', stop, { once: true });
      if (context.signal.aborted) stop(); // while it was being started
      const { code } = await child.exited;
      context.signal.removeEventListener('abort', stop);
      context.signal.throwIfAborted();
      if (code !== 0)
        throw await this.#failure(args[0]!, tail(logFile(variant.stateDirectory, 'compose'), 15));
    } finally {
      closeSync(log);
    }
  }

  /** Everything that interpolation saw here, so that the tool resolves the same: env files and generated values too. */
  #environment(): Record<string, string> {
    const { COMPOSE_FILE: _files, COMPOSE_PROJECT_NAME: _name, ...environment } = this.#stack.environment;
    return { ...environment, COMPOSE_IGNORE_ORPHANS: '1' };
  }

  async #failure(command: string, lines: readonly string[]): Promise<StackyardError> {
    const { variant } = this.#stack;
    const details = lines.map((line) => `| ${this.#withoutSecrets(line)}`);
    const text = lines.join('\n');
    if (command === 'build') {
      return new StackyardError('STACKYARD_BUILD', `an image of ${variant.name} could not be built`, {
        details,
        hint: `correct its Dockerfile; the whole output: stackyard logs ${variant.name} compose`,
      });
    }
    const taken = /(?:Bind for|bind:?) \S*?:(\d+)\S* failed: port is already allocated/.exec(text)?.[1];
    if (taken !== undefined) {
      return new StackyardError('STACKYARD_PORT_BUSY', `port ${taken} is taken`, {
        details,
        hint: 'stackyard doctor names the owner',
      });
    }
    const name = /container name "\/?([^"]+)" is already in use/.exec(text)?.[1];
    if (name !== undefined) {
      return new StackyardError('STACKYARD_COMPOSE', `another container has the name ${name}`, {
        details,
        hint: `remove it, if nobody needs it: docker rm --force ${name}`,
      });
    }
    const tool = await withVersion(this.#tool, this.#stack.environment);
    const version = [tool.program, ...tool.prefix, tool.version].join(' ');
    return new StackyardError(
      'STACKYARD_COMPOSE',
      `${version} refuses the Compose files of ${variant.name}`,
      {
        details,
        hint: `change what it names in ${variant.files.join(' or ')}, or update Compose; --driver embedded needs none`,
      },
    );
  }

  #withoutSecrets(line: string): string {
    return Object.entries(this.#stack.environment).reduce(
      (text, [name, value]) =>
        value.length >= 6 && looksSecret(name) ? text.replaceAll(value, '***') : text,
      line,
    );
  }
}
