import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { type DockerEnvironment, docker, toolBasics } from '../drivers/docker/command.ts';

/**
 * Runs a command until its input ends: a client that is gone closes that, while the engine would let the command go
 * on. Both children are waited for: an orphan becomes the server's, which takes its death for a crash of its own.
 */
const guarded = `
exec 3<&0
"$@" 3<&- </dev/null & command=$!
{ read -r _; kill "$command"; } <&3 >/dev/null 2>&1 & guard=$!
wait "$command"; code=$?
kill "$guard" 2>/dev/null
wait "$guard" 2>/dev/null
exit $code
`;

/** What a tool said when it failed. */
export class ToolError extends Error {
  override readonly name = 'ToolError';
}

/** PostgreSQL's own tools inside a container, as the superuser that its image was given. */
export class ContainerTools {
  readonly #id: string;
  readonly #environment: DockerEnvironment;
  readonly #as: readonly string[];

  /**
   * @param variables of the service: `POSTGRES_USER`, `POSTGRES_PASSWORD`
   * @param user that the tools run as, where it is not the container's
   */
  constructor(
    id: string,
    variables: Readonly<Record<string, string>>,
    environment: DockerEnvironment,
    user?: string,
  ) {
    this.#id = id;
    this.#as = user === undefined ? [] : ['--user', user];
    this.#environment = {
      ...toolBasics(environment),
      PGHOST: '127.0.0.1',
      PGUSER: variables.POSTGRES_USER || 'postgres',
      PGPASSWORD: variables.POSTGRES_PASSWORD ?? '',
    };
  }

  get user(): string {
    return this.#environment.PGUSER!;
  }

  /** The lines that a query answers. */
  async query(sql: string, signal: AbortSignal, database = 'postgres'): Promise<string[]> {
    const command = ['psql', '--no-psqlrc', '--tuples-only', '--no-align', '--command', sql];
    const answer = await text(this.output(command, database, signal));
    return answer.split('\n').filter(Boolean);
  }

  async has(tool: string): Promise<boolean> {
    const { code } = await docker(['exec', this.#id, 'sh', '-c', `command -v ${tool}`], this.#environment);
    return code === 0;
  }

  /** The major version of a tool; undefined where there is none. */
  async major(tool: string): Promise<number | undefined> {
    const { code, stdout } = await docker(['exec', this.#id, tool, '--version'], this.#environment);
    const version = code === 0 ? /\) (\d+)/.exec(stdout)?.[1] : undefined;
    return version === undefined ? undefined : Number(version);
  }

  /**
   * What a tool writes.
   *
   * @throws ToolError when it fails
   */
  async *output(command: readonly string[], database: string, signal: AbortSignal): AsyncGenerator<Buffer> {
    const tool = this.#spawn(['sh', '-c', guarded, 'stackyard-guard', ...command], database, signal);
    try {
      yield* tool.child.stdout;
      await tool.ended;
    } finally {
      tool.child.kill();
    }
  }

  /**
   * Gives a tool its input, and takes that to its end: `pg_restore` ends with the last table, not with the file.
   *
   * @returns what it wrote, which is kept in memory
   * @throws ToolError when it fails
   */
  async input(
    command: readonly string[],
    database: string,
    chunks: Iterable<string> | AsyncIterable<Buffer>,
    signal: AbortSignal,
  ): Promise<string> {
    const { child, ended } = this.#spawn(command, database, signal);
    const { stdin } = child;
    const written = text(child.stdout);
    let failed = false;
    ended.catch(() => {
      failed = true;
    });
    const feed = async () => {
      try {
        for await (const chunk of chunks) {
          if (failed) break;
          await new Promise((taken) => stdin.write(chunk, taken)); // or refused: its exit code counts
        }
      } finally {
        stdin.end();
      }
    };
    const results = await Promise.allSettled([feed(), ended, written]);
    // Where the input broke off, that is why the tool failed.
    for (const result of results) if (result.status === 'rejected') throw result.reason;
    return written;
  }

  #spawn(command: readonly string[], database: string, signal: AbortSignal) {
    const environment = { ...this.#environment, PGDATABASE: database };
    const variables = ['PGHOST', 'PGUSER', 'PGPASSWORD', 'PGDATABASE'].flatMap((name) => ['--env', name]);
    const child = spawn(
      'docker',
      ['exec', '--interactive', ...this.#as, ...variables, this.#id, ...command],
      {
        cwd: '/',
        env: environment,
        signal,
      },
    );
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      said = (said + chunk).slice(-4000);
    });
    child.stdin.on('error', () => {}); // it ended before it read everything: its exit code counts
    const ended = (async () => {
      const [code] = (await once(child, 'close')) as [number | null];
      if (code !== 0) throw new ToolError(said.trim() || `${command[0]} ended with ${code}`);
    })();
    ended.catch(() => {}); // awaited later
    return { child, ended };
  }
}
