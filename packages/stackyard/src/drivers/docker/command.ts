import { execFile } from 'node:child_process';

/** The environment of the Docker tools. Secrets reach them here, never as arguments. */
export type DockerEnvironment = Readonly<Record<string, string | undefined>>;

export interface CommandResult {
  /** -1 when the program could not be started. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** There is no such program. */
  readonly missing: boolean;
}

/** No answer of the engine takes this long, except for pulling and building. */
const patienceMs = 120_000;

export interface CommandOptions {
  readonly cwd?: string;
  readonly signal?: AbortSignal;
  readonly timeoutMs?: number;
}

/** Runs `docker` to its end; never rejects. */
export function docker(
  args: readonly string[],
  environment: DockerEnvironment,
  options: CommandOptions = {},
): Promise<CommandResult> {
  return runTool('docker', args, environment, options);
}

export function runTool(
  program: string,
  args: readonly string[],
  environment: DockerEnvironment,
  { cwd = '/', signal, timeoutMs = patienceMs }: CommandOptions,
): Promise<CommandResult> {
  return new Promise((resolve) => {
    const options = {
      cwd,
      env: { ...environment },
      timeout: timeoutMs,
      maxBuffer: 64 * 1024 ** 2,
      ...(signal ? { signal } : {}),
    };
    execFile(program, args, options, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1;
      const missing = error !== null && (error as NodeJS.ErrnoException).code === 'ENOENT';
      resolve({ code, stdout, stderr, missing });
    });
  });
}

/** What the Docker tools need of an environment, without anything of a stack. */
export function toolBasics(environment: DockerEnvironment): Record<string, string> {
  const wanted = /^(PATH|HOME|USER|LANG|XDG_RUNTIME_DIR|XDG_CONFIG_HOME|SSH_AUTH_SOCK|DOCKER_.*)$/;
  return Object.fromEntries(
    Object.entries(environment).filter((entry): entry is [string, string] => {
      return entry[1] !== undefined && wanted.test(entry[0]);
    }),
  );
}
