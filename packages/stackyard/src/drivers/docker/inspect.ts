import type { PortRecord } from '../../state.ts';
import { type DockerEnvironment, docker } from './command.ts';

/** What the engine says about a container. */
export interface Inspected {
  readonly running: boolean;
  readonly restarting: boolean;
  /** It ran before and ended. */
  readonly finished: boolean;
  readonly exitCode: number;
  readonly outOfMemory: boolean;
  /** `starting`, `healthy`, `unhealthy`; undefined without a health check. */
  readonly health: string | undefined;
  /** It runs, and its health check has failed as often as it may. A container that has just ended counts as unhealthy too. */
  readonly unhealthy: boolean;
  /** What the last health checks answered. */
  readonly lastAnswers: readonly string[];
  readonly ports: readonly PortRecord[];
  /** Whether its restart policy brings it back after this exit. */
  restarts(exitCode: number | null): boolean;
}

interface Raw {
  readonly State: {
    readonly Status: string;
    readonly Running: boolean;
    readonly Restarting: boolean;
    readonly OOMKilled: boolean;
    readonly ExitCode: number;
    readonly FinishedAt: string;
    readonly Health?: {
      readonly Status: string;
      readonly FailingStreak: number;
      readonly Log: readonly { ExitCode: number; Output: string }[] | null;
    };
  };
  readonly RestartCount: number;
  readonly HostConfig: {
    readonly RestartPolicy: { readonly Name: string; readonly MaximumRetryCount: number };
  };
  readonly NetworkSettings: {
    readonly Ports: Readonly<Record<string, readonly { HostPort: string }[] | null>> | null;
  };
}

/** Undefined when there is no such container, when it is being removed, or when there is no engine to ask. */
export async function inspect(id: string, environment: DockerEnvironment): Promise<Inspected | undefined> {
  const { code, stdout } = await docker(['container', 'inspect', id], environment);
  if (code !== 0) return undefined;
  const [raw] = JSON.parse(stdout) as [Raw];
  const { State: state, HostConfig: host } = raw;
  if (['removing', 'dead'].includes(state.Status)) return undefined;
  const { Name: policy, MaximumRetryCount: limit } = host.RestartPolicy;
  return {
    running: state.Running,
    restarting: state.Restarting,
    finished: !state.FinishedAt.startsWith('0001'),
    exitCode: state.ExitCode,
    outOfMemory: state.OOMKilled,
    health: state.Health && state.Health.Status !== 'none' ? state.Health.Status : undefined,
    unhealthy: state.Running && state.Health?.Status === 'unhealthy' && state.Health.FailingStreak > 0,
    lastAnswers: (state.Health?.Log ?? []).map(({ ExitCode, Output }) =>
      `exit code ${ExitCode} ${Output.trim().split('\n').slice(-3).join(' ')}`.trim(),
    ),
    ports: publishedPorts(raw),
    restarts: (exitCode) => {
      if (policy === 'always' || policy === 'unless-stopped') return true;
      return policy === 'on-failure' && exitCode !== 0 && (limit === 0 || raw.RestartCount < limit);
    },
  };
}

function publishedPorts({ NetworkSettings: { Ports: ports } }: Raw): PortRecord[] {
  return Object.entries(ports ?? {}).flatMap(([key, bindings]) => {
    const [container, protocol] = key.split('/');
    const host = bindings?.[0]?.HostPort;
    return protocol === 'tcp' && host ? [{ container: Number(container), host: Number(host) }] : [];
  });
}
