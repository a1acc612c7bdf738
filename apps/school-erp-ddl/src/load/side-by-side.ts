import type { ClientBase } from 'pg';
import type { Client } from '../database.ts';

type Job = (connection: ClientBase, signal: AbortSignal) => Promise<void>;

/**
 * Each connection has a core already. After a crash all of this is undone, so only the last commit, of another
 * connection, has to wait for the disk.
 */
const SETTINGS = {
  max_parallel_maintenance_workers: '0',
  max_parallel_workers_per_gather: '0',
  synchronous_commit: 'off',
};

/**
 * Runs jobs on so many connections at once, with settings of the planner beside those of every load. After an error no
 * further job begins, and copies end at once.
 */
export async function sideBySide(
  client: Client,
  jobs: readonly Job[],
  connections: number,
  planning: Readonly<Record<string, string>> = {},
): Promise<void> {
  const queue = [...jobs];
  const stop = new AbortController();
  // Rules sum up whole tables; they may use what the building of an index may.
  const { memory } = await client.one<{ memory: string }>(
    "SELECT current_setting('maintenance_work_mem') AS memory",
  );
  const settings = Object.entries({ ...SETTINGS, ...planning, work_mem: memory });
  const work = () =>
    client.connection(async (connection) => {
      try {
        await connection.query(settings.map(([name, value]) => `SET ${name} = '${value}'`).join(';'));
        for (let job = queue.shift(); job && !stop.signal.aborted; job = queue.shift())
          await job(connection, stop.signal);
      } finally {
        await connection.query(settings.map(([name]) => `RESET ${name}`).join(';')).catch(() => undefined);
      }
    });
  const done = await Promise.allSettled(
    Array.from({ length: Math.min(connections, jobs.length) }, () =>
      work().catch((error: unknown) => {
        stop.abort(error);
        throw error;
      }),
    ),
  );
  if (stop.signal.aborted) throw stop.signal.reason;
  for (const result of done) if (result.status === 'rejected') throw result.reason;
}
