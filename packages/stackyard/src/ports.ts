import { createServer } from 'node:net';
import { StackyardError } from './errors.ts';
import { findOwners, type PortOwner } from './port-owner.ts';

/** A host port that a stack needs. */
export interface NeededPort {
  readonly service: string;
  readonly host: string;
  readonly port: number;
}

/** A needed port that another process holds. */
export interface BusyPort extends NeededPort {
  readonly owner?: PortOwner;
  /** The variable that moves it, where the Compose files use one. */
  readonly variable?: string;
  /** The next port that is free, and not needed by another service of the stack. */
  readonly free: number;
}

/** Whether a process may listen there now. Listens for a moment to find out. */
export function isPortFree(port: number, host = '127.0.0.1'): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, host, exclusive: true }, () => server.close(() => resolve(true)));
  });
}

/** A port that the system chooses. */
export function choosePort(host = '127.0.0.1'): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen({ port: 0, host, exclusive: true }, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
  });
}

/**
 * The needed ports that are taken, with who holds them.
 *
 * @param environment where to find the engine whose containers may hold them
 */
export async function findBusyPorts(
  needed: readonly NeededPort[],
  environment: Readonly<Record<string, string>>,
): Promise<BusyPort[]> {
  const free = await Promise.all(needed.map((entry) => isPortFree(entry.port, entry.host)));
  const busy = needed.filter((_, index) => !free[index]);
  if (busy.length === 0) return [];
  const owners = await findOwners(
    busy.map((entry) => entry.port),
    environment,
  );
  const taken = new Set(needed.map((entry) => entry.port));
  const described: BusyPort[] = [];
  for (const entry of busy) {
    const next = await nextFreePort(entry.port + 1, entry.host, taken);
    taken.add(next);
    const owner = owners.get(entry.port);
    described.push({ ...entry, free: next, ...(owner ? { owner } : {}) });
  }
  return described;
}

async function nextFreePort(from: number, host: string, taken: ReadonlySet<number>): Promise<number> {
  for (let port = from; port <= 65_535; port++) {
    if (!taken.has(port) && (await isPortFree(port, host))) return port;
  }
  return choosePort(host);
}

/** One error for all of them. */
export function busyPortsError(busy: readonly BusyPort[]): StackyardError {
  const details = busy.flatMap((entry) => [
    `${entry.host}:${entry.port}, needed by ${entry.service}, is held by ${describePortOwner(entry.owner)}`,
    `  ${entry.free} is free: ${moveIt(entry)}`,
  ]);
  const variables = busy.every((entry) => entry.variable !== undefined);
  const lines = busy.map((entry) => `${entry.variable}=${entry.free}`).join(' ');
  return new StackyardError(
    'STACKYARD_PORT_BUSY',
    busy.length === 1
      ? `port ${busy[0]!.port} is taken`
      : `ports ${busy.map((b) => b.port).join(', ')} are taken`,
    {
      details,
      hint: variables
        ? `write ${lines} to .env, or stop the owner, then start again`
        : 'stop the owner, or move the port',
    },
  );
}

const moveIt = (entry: BusyPort): string =>
  entry.variable === undefined
    ? 'publish that one in the Compose file'
    : `set ${entry.variable}=${entry.free}`;

/** One phrase: pid, command, folder and stack. */
export function describePortOwner(owner: PortOwner | undefined): string {
  if (!owner) return 'a process that this user may not see, or by a connection that is being closed';
  const { stack, container } = owner;
  const parts = container ? describeContainer(container) : [`pid ${owner.pid}`];
  if (owner.command && !container)
    parts.push(`(${owner.command.length > 100 ? `${owner.command.slice(0, 99)}…` : owner.command})`);
  if (owner.workingDirectory && !container) parts.push(`in ${owner.workingDirectory}`);
  if (stack)
    parts.push(
      `: the Stackyard stack ${stack.variant}${stack.service ? `, service ${stack.service},` : ''} of ${stack.root}`,
    );
  return parts.join(' ').replace(' :', ':');
}

function describeContainer({ name, project, stack }: NonNullable<PortOwner['container']>): string[] {
  const stop = stack ? `stackyard down ${stack.variant}` : `docker stop ${name}`;
  return [
    `the container ${name}`,
    ...(project ? [`of the Compose project ${project}`] : []),
    `("${stop}" stops it)`,
  ];
}
