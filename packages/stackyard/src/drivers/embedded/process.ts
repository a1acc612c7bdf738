import path from 'node:path';
import { http, tcp } from '@stackyard/healthchecks';
import type { Engine, EngineContext, Launch } from '../../engine.ts';
import { EngineError } from '../../engines/engine-error.ts';
import { hostBasics } from '../../host-environment.ts';

/**
 * Runs any command as a service:
 *
 *     x-embedded:
 *       engine: process
 *       command: [node, tools/mail-catcher.ts]
 *       ready: { http: /health }   # or: { tcp: true }, the default when the service publishes a port
 *
 * The command runs in the root of the checkout with the service's environment; `PORT` is the published host port
 * of the service's first port unless its environment sets one.
 */
export const engine: Engine = { name: 'process', prepare };

async function prepare(context: EngineContext): Promise<Launch> {
  const command = readCommand(context);
  const first = context.service.ports?.[0];
  const address = first ? context.address(first.target) : undefined;
  const port: Record<string, string> = address ? { PORT: String(address.port) } : {};
  return {
    source: `${path.basename(command[0]!)} (process)`,
    command: command[0]!,
    args: command.slice(1),
    environment: { ...hostBasics(context.hostVariables), ...port, ...context.environment },
    cwd: readDirectory(context),
    stopSignal: (context.service.stop_signal as NodeJS.Signals | undefined) ?? 'SIGTERM',
    stopGraceMs: 10_000,
    ready: readProbe(context, address),
    ...(address ? { url: `http://${address.host}:${address.port}` } : {}),
  };
}

function readCommand({ options, serviceName }: EngineContext): string[] {
  const { command } = options;
  if (typeof command === 'string' && command.trim()) return ['/bin/sh', '-c', command];
  if (Array.isArray(command) && command.length > 0 && command.every((part) => typeof part === 'string'))
    return command;
  throw new EngineError(
    'ENGINE_PROCESS_COMMAND',
    `x-embedded of service ${serviceName} has no command`,
    'give it one, as a string or a list: command: [node, server.ts]',
  );
}

function readDirectory({ options, root }: EngineContext): string {
  return typeof options.directory === 'string' ? path.resolve(root, options.directory) : root;
}

function readProbe(
  context: EngineContext,
  address: { host: string; port: number } | undefined,
): Launch['ready'] {
  const ready = context.options.ready as { http?: unknown; tcp?: unknown } | undefined;
  if (typeof ready?.http === 'string' && address)
    return http(new URL(ready.http, `http://${address.host}:${address.port}`));
  if (address && ready?.tcp !== false) return tcp(address);
  return async () => {}; // nothing to ask: running is ready
}
