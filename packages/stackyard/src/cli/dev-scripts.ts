import { rmSync } from 'node:fs';
import { tcp, waitUntil } from '@stackyard/healthchecks';
import type { LoadedStack } from '../load.ts';
import { hostAddresses, type RunScript } from '../plan.ts';
import { identify } from '../processes.ts';
import type { Releasers } from '../releasers.ts';
import { scriptFailed, scriptLabel, startScript } from '../scripts.ts';
import { type DevState, devStateFile, type ScriptRecords, type ServiceRecord, writeJson } from '../state.ts';
import type { ManagedProcess } from '../supervisor/managed-process.ts';
import type { Supervisor } from '../supervisor/supervisor.ts';
import type { Interrupts } from './interrupts.ts';
import type { ProgressDisplay } from './terminal.ts';

/** How long the summary waits for a script to listen on its port. */
const listenMs = 20_000;

export interface ScriptsContext extends LoadedStack {
  readonly supervisor: Supervisor;
  readonly processEnvironment: Readonly<Record<string, string | undefined>>;
  readonly display: ProgressDisplay;
  readonly interrupts: Interrupts;
  readonly releasers: Releasers;
  output(name: string, line: string): void;
  /** Rejects when waiting for the scripts has become pointless. */
  readonly alsoFails: Promise<never>;
}

export interface StartedScripts {
  readonly records: ScriptRecords;
  /** Rejects when a script fails; one that ends well leaves the others running. */
  readonly failed: Promise<never>;
}

/** Starts the `dev:` scripts side by side and waits until those with a published port listen there. */
export async function startScripts(
  scripts: readonly RunScript[],
  context: ScriptsContext,
): Promise<StartedScripts> {
  const { stack, driver, interrupts, releasers } = context;
  const { stateDirectory } = stack.variant;
  const failed = Promise.withResolvers<never>();
  failed.promise.catch(() => {}); // whoever needs it awaits it
  const addresses = hostAddresses(stack, driver);
  const children: [RunScript, ManagedProcess][] = [];
  for (const operation of scripts) {
    const child = await startScript(operation, { ...context, addresses });
    releasers.push(operation.script, async () => void (await child.stop(interrupts.hurry)));
    watch(operation, child, context).catch(failed.reject);
    children.push([operation, child]);
  }
  const stop = Promise.race([interrupts.stopped, context.alsoFails, failed.promise]);
  const described = Promise.all(children.map(([operation, child]) => describe(operation, child, context)));
  const records = Object.fromEntries((await Promise.race([described, stop])) ?? []);
  if (scripts.length > 0) {
    writeJson(devStateFile(stateDirectory), {
      owner: identify(process.pid)!,
      scripts: records,
    } satisfies DevState);
    releasers.push('scripts', () => rmSync(devStateFile(stateDirectory), { force: true }));
  }
  return { records, failed: failed.promise };
}

async function watch(operation: RunScript, child: ManagedProcess, context: ScriptsContext): Promise<void> {
  const exit = await child.exited;
  await child.drained;
  if (context.interrupts.stop.aborted || child.stopped) return;
  if (exit.code !== 0) throw scriptFailed(operation, child, context.stack);
  context.output(scriptLabel(operation.script), 'ended (exit code 0)');
}

/** The script's line of the summary, once it listens. */
async function describe(
  operation: RunScript,
  child: ManagedProcess,
  { stack, display, interrupts }: ScriptsContext,
): Promise<[string, ServiceRecord]> {
  const label = scriptLabel(operation.script);
  const base = { source: `script ${operation.script}`, process: child.identity };
  const ports = stack.ports[label] ?? [];
  const [port] = ports;
  if (!port) return [label, { ...base, state: 'running' }];
  const url = `http://127.0.0.1:${port.host}`;
  const began = performance.now();
  display.progress(label, `waiting until it listens on ${port.host}`);
  try {
    await waitUntil(tcp({ port: port.host }), {
      timeoutMs: listenMs,
      signal: interrupts.stop,
      died: child.exited,
    });
    return [label, { ...base, state: 'running', url, ports, startMs: Math.round(performance.now() - began) }];
  } catch {
    // A death is reported by `watch`, an interruption by whoever waits; slowness is no failure.
    const note = `does not listen on ${port.host} yet`;
    return [label, { ...base, state: 'running', ports, note }];
  } finally {
    display.done(label);
  }
}
