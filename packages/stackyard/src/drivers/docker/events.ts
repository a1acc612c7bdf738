import type { DriverContext } from '../../driver.ts';
import type { ManagedProcess } from '../../supervisor/managed-process.ts';
import type { DockerEnvironment } from './command.ts';
import { projectLabel, serviceLabel } from './project.ts';

/** What the engine tells about a container. */
export interface ContainerEvent {
  /** `create`, `start`, `kill`, `die`, `oom`, `health_status: healthy`. */
  readonly action: string;
  /** Of the container. */
  readonly id: string;
  readonly service: string;
  readonly exitCode: number | undefined;
  /** Seconds since 1970, as the engine's options take them. */
  readonly time: string;
}

interface EventRecord {
  readonly Action?: string;
  readonly status?: string;
  readonly timeNano?: number;
  readonly Actor?: { readonly ID?: string; readonly Attributes?: Readonly<Record<string, string>> };
}

/** Reads one line of `docker events --format '{{json .}}'`; undefined for what is no event. */
function parseEvent(line: string): ContainerEvent | undefined {
  let record: EventRecord;
  try {
    record = JSON.parse(line) as EventRecord;
  } catch {
    return undefined;
  }
  const action = record.Action ?? record.status;
  const { timeNano = 0 } = record;
  const { ID: id, Attributes: attributes = {} } = record.Actor ?? {};
  const service = attributes[serviceLabel];
  if (action === undefined || id === undefined || service === undefined) return undefined;
  const { exitCode } = attributes;
  return {
    action,
    id,
    service,
    exitCode: exitCode === undefined ? undefined : Number(exitCode),
    time: (timeNano / 1e9).toFixed(6),
  };
}

/** Calls back for each event of a project's containers, as long as the process returned lives. */
export function watchEvents(
  project: string,
  context: DriverContext,
  environment: DockerEnvironment,
  callback: (event: ContainerEvent) => void,
): Promise<ManagedProcess> {
  const kinds = ['create', 'start', 'kill', 'die', 'oom', 'health_status'].flatMap((kind) => [
    '--filter',
    `event=${kind}`,
  ]);
  return context.spawn({
    name: 'docker events',
    command: 'docker',
    args: ['events', '--format', '{{json .}}', '--filter', `label=${projectLabel}=${project}`, ...kinds],
    environment: environment as Record<string, string>,
    cwd: '/',
    stopSignal: 'SIGTERM',
    stopGraceMs: 1000,
    output: {
      line: (text) => {
        const event = parseEvent(text);
        if (event) callback(event);
      },
    },
  });
}
