import { closeSync, mkdirSync } from 'node:fs';
import { waitUntil } from '@stackyard/healthchecks';
import type { DriverContext, Running } from '../../driver.ts';
import type { EngineContext, Launch } from '../../engine.ts';
import { StackyardError } from '../../errors.ts';
import { healthTimeout } from '../../health-timeout.ts';
import { logFile, openLog, tail } from '../../log-files.ts';
import { serviceDied } from '../../service-died.ts';
import type { PortRecord } from '../../state.ts';
import type { ManagedProcess } from '../../supervisor/managed-process.ts';
import { parseDuration } from '../../units.ts';
import { loadEngine } from './engines.ts';
import { embeddedField, engineDirectory } from './fields.ts';
import { mounts } from './mounts.ts';

/** Starts one service through its engine. */
export async function startService(name: string, context: DriverContext): Promise<Running> {
  const { stack } = context;
  const { stateDirectory } = stack.variant;
  const service = stack.model.services[name]!;
  const { engine: engineName, ...options } = embeddedField(service)!;
  const engine = await loadEngine(engineName);
  const folders = mounts(stack, service);
  const ports = stack.ports[name] ?? [];
  const engineState = engineDirectory(stateDirectory, name);
  mkdirSync(engineState, { recursive: true });
  const engineContext: EngineContext = {
    serviceName: name,
    service,
    options,
    root: stack.variant.root,
    environment: context.hostEnvironment(name),
    hostVariables: stack.environment,
    mount: (target) => folders.find((mount) => mount.target === target)?.path,
    address: (containerPort) => ({ host: '127.0.0.1', port: hostPort(name, containerPort, ports) }),
    stateDirectory: engineState,
    progress: (message) => context.progress(name, message),
    signal: context.signal,
  };
  const launch = await engine.prepare(engineContext);
  context.signal.throwIfAborted();
  const child = await spawn(name, launch, context, service.stop_grace_period);
  return {
    service: name,
    source: launch.source,
    ports,
    ...(launch.url === undefined ? {} : { url: launch.url }),
    ...(launch.note === undefined ? {} : { note: launch.note }),
    process: child.identity,
    exited: child.exited,
    healthy: (signal) => {
      context.progress(name, 'waiting until it is healthy');
      const timeoutMs = healthTimeout(service);
      return waitHealthy(
        { name, variant: stack.variant.name, launch, child, timeoutMs, log: logFile(stateDirectory, name) },
        signal,
      );
    },
    stop: async (hurry) => {
      await child.stop(hurry);
    },
  };
}

async function spawn(
  name: string,
  launch: Launch,
  context: DriverContext,
  gracePeriod: string | undefined,
): Promise<ManagedProcess> {
  const log = openLog(context.stack.variant.stateDirectory, name);
  try {
    return await context.spawn({
      name,
      command: launch.command,
      args: launch.args,
      environment: launch.environment,
      cwd: launch.cwd,
      ...(launch.user ? { user: launch.user } : {}),
      stopSignal: launch.stopSignal,
      stopGraceMs: parseDuration(gracePeriod) ?? launch.stopGraceMs,
      abandonSignal: launch.abandonSignal,
      output: { file: log },
    });
  } finally {
    closeSync(log);
  }
}

function hostPort(name: string, containerPort: number, ports: readonly PortRecord[]): number {
  const port = ports.find((entry) => entry.container === containerPort)?.host;
  if (port !== undefined) return port;
  throw new StackyardError(
    'STACKYARD_PORT_MISSING',
    `service ${name} publishes no host port for its port ${containerPort}`,
    {
      hint: `add a line to its ports: "127.0.0.1:\${${name.toUpperCase().replaceAll(/\W/g, '_')}_PORT:-${containerPort}}:${containerPort}"`,
    },
  );
}

interface Waiting {
  readonly name: string;
  readonly variant: string;
  readonly launch: Launch;
  readonly child: ManagedProcess;
  readonly timeoutMs: number;
  readonly log: string;
}

async function waitHealthy(waiting: Waiting, signal: AbortSignal): Promise<void> {
  const { name, variant, launch, child, timeoutMs, log } = waiting;
  try {
    await waitUntil((attempt) => launch.ready(attempt), {
      timeoutMs,
      signal,
      died: child.exited,
      what: name,
    });
  } catch (cause) {
    signal.throwIfAborted();
    if (child.exit)
      throw serviceDied(name, child.exit, tail(log, 12), { beforeHealthy: true, log: `${variant} ${name}` });
    throw new StackyardError('STACKYARD_UNHEALTHY', (cause as Error).message, {
      details: tail(log, 12).map((line) => `| ${line}`),
      hint: `read its log (stackyard logs ${variant} ${name}); allow it more time with retries or start_period of its healthcheck`,
      cause,
    });
  }
}
