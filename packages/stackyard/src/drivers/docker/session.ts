import { mkdirSync } from 'node:fs';
import path from 'node:path';
import type { ComposeModel } from '@stackyard/compose';
import type { DriverContext, DriverSession, Running } from '../../driver.ts';
import { StackyardError } from '../../errors.ts';
import type { ManagedProcess } from '../../supervisor/managed-process.ts';
import type { DockerEnvironment } from './command.ts';
import { Compose } from './compose.ts';
import { Container } from './container.ts';
import { type ContainerEvent, watchEvents } from './events.ts';
import { refuseForeignData } from './existing-data.ts';
import { missingImages, provideImages } from './images.ts';
import { listContainers, projectName, removeProject } from './project.ts';
import { engineAnswers, findToolsQuickly } from './tool.ts';
import { ContainerWatchdog } from './watchdog.ts';

/** Checks tools, images and data, then has Compose create every container; each is started by itself later. */
export async function openSession(context: DriverContext): Promise<DriverSession> {
  const { stack, services } = context;
  await refuseForeignData(stack, services);
  // Both only ask; a missing engine is the better answer of the two.
  const [{ compose: tool }, missing] = await Promise.all([
    findToolsQuickly(stack.environment),
    missingImages(context),
  ]);
  const project = projectName(stack.variant.root, stack.variant.name);
  const compose = new Compose(tool, project, stack);
  await provideImages(compose, missing, context);
  context.signal.throwIfAborted();
  makeFolders(context);
  const session = new DockerSession(context, project, compose);
  try {
    await session.create();
    return session;
  } catch (error) {
    await session[Symbol.asyncDispose]();
    throw error;
  }
}

class DockerSession implements DriverSession {
  readonly #context: DriverContext;
  readonly #project: string;
  readonly #compose: Compose;
  readonly #environment: DockerEnvironment;
  readonly #watchdog: ContainerWatchdog;
  readonly #containers = new Map<string, Container>();
  readonly #ids = new Map<string, string>();
  #events: ManagedProcess | undefined;
  #closed = false;

  constructor(context: DriverContext, project: string, compose: Compose) {
    this.#compose = compose;
    const { variant, environment } = context.stack;
    this.#context = context;
    this.#project = project;
    this.#environment = environment;
    this.#watchdog = new ContainerWatchdog(project, variant.stateDirectory, environment);
  }

  async create(): Promise<void> {
    await this.#listen();
    const { stack, services } = this.#context;
    await this.#create(services.filter((name) => !waitsForAnEnd(stack.model, name)));
  }

  async #create(services: readonly string[]): Promise<void> {
    await this.#compose.create(services, this.#context);
    // Events have told, unless they are late: asking takes the time of a process.
    if (services.every((name) => this.#ids.has(name))) return;
    const listed = await listContainers(this.#project, this.#environment);
    for (const [name, id] of listed) this.#ids.set(name, id);
  }

  async start(name: string): Promise<Running> {
    if (!this.#ids.has(name)) await this.#create([name]);
    const id = this.#ids.get(name);
    if (id === undefined) {
      throw new StackyardError('STACKYARD_COMPOSE', `Compose made no container for the service ${name}`, {
        hint: `see what it makes of the files: stackyard logs ${this.#context.stack.variant.name} compose`,
      });
    }
    const container = new Container(name, id, this.#context);
    this.#containers.set(name, container);
    if (connectsAtStart(this.#context.stack.model, name)) await this.#compose.start(name, this.#context);
    await container.start();
    return container;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    await this.#events?.stop();
    await Promise.all([...this.#containers.values()].map((container) => container.close()));
    using _ = this.#watchdog;
    const kept = await removeProject(this.#project, this.#environment);
    if (kept) throw kept;
  }

  /** Follows the engine's events; when they end by themselves, the engine has stopped or was restarted. */
  async #listen(): Promise<void> {
    this.#events = await watchEvents(this.#project, this.#context, this.#environment, (event) => {
      if (event.action === 'create') this.#ids.set(event.service, event.id);
      else this.#hear(event);
    });
    const again = async () => {
      if (this.#closed) return;
      await Promise.all([...this.#containers.values()].map((container) => container.look()));
      if (!(await engineAnswers(this.#environment)) || this.#closed) return;
      await this.#listen();
    };
    this.#events.exited.then(again).catch((error: Error) => {
      for (const container of this.#containers.values()) container.lose(error);
    });
  }

  /** Where its log cannot be followed any more, Docker's own command is gone: nor could its end be noticed. */
  #hear(event: ContainerEvent): void {
    const container = this.#containers.get(event.service);
    container?.hear(event).catch((error: Error) => container.lose(error));
  }
}

/**
 * Whether a service comes after one that has to end first. Compose 1.29 waits for that end even when it only creates
 * containers, so these are created when it has come.
 */
function waitsForAnEnd(model: ComposeModel, name: string): boolean {
  return Object.entries(model.services[name]?.depends_on ?? {}).some(
    ([dependency, { condition }]) =>
      condition === 'service_completed_successfully' || waitsForAnEnd(model, dependency),
  );
}

/** Compose 1.29 connects a second network, and gives a container its fixed addresses, only when it starts it itself. */
function connectsAtStart(model: ComposeModel, name: string): boolean {
  const networks = Object.values(model.services[name]?.networks ?? {});
  const addressed = networks.some((given) => Object.keys(given ?? {}).some((key) => key !== 'aliases'));
  return networks.length > 1 || addressed;
}

/** Folders that the engine would make as root when they are missing. */
function makeFolders({ stack, services }: DriverContext): void {
  const home = path.join(stack.variant.root, 'data') + path.sep;
  for (const name of services) {
    for (const { type, source } of stack.model.services[name]?.volumes ?? []) {
      if (type === 'bind' && source?.startsWith(home)) mkdirSync(source, { recursive: true });
    }
  }
}
