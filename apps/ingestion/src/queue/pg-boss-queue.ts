import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '@stackyard/postgres';
import { type Db, PgBoss } from 'pg-boss';
import type { ConsumeOptions, Consumer, Queue } from './queue.ts';
import { untilAborted } from './until-aborted.ts';

const NAME = 'ingest';
const CHANNEL = 'ingestion_queue';

/** A permission that was taken and not used comes again after this. Delivery takes milliseconds: it is one claim. */
const EXPIRE_SECONDS = 10;

/** What a notification would have said is asked for this often. */
const POLL_MS = 1000;

export interface PgBossQueueOptions {
  /** Creates or upgrades pg-boss's schema. Only `setup` does. */
  readonly migrate?: boolean;
  readonly onError: (error: unknown) => void;
}

/** The queue on PostgreSQL, in the database of the documents: adding takes part in the caller's transaction. */
export async function openPgBossQueue(
  client: Client,
  { migrate = false, onError }: PgBossQueueOptions,
): Promise<Queue> {
  const db: Db = {
    executeSql: (text, values) => client.connection((connection) => connection.query(text, values)),
  };
  const boss = new PgBoss({
    db,
    migrate,
    createSchema: migrate,
    schedule: false,
    superviseIntervalSeconds: 5,
    monitorIntervalSeconds: 5,
    reindex: false,
  });
  boss.on('error', onError);
  await boss.start();
  if (migrate) {
    await boss.createQueue(NAME, {
      expireInSeconds: EXPIRE_SECONDS,
      retryLimit: 1000,
      retentionSeconds: 7 * 86_400,
    });
    // A tenant's transaction adds its job itself. Reading and taking remain with the login role.
    await client.query('GRANT USAGE ON SCHEMA pgboss TO ingestion_tenant, ingestion_service');
    await client.query(
      'GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA pgboss TO ingestion_tenant, ingestion_service',
    );
  }

  return {
    description: 'pg-boss on PostgreSQL',
    transactional: true,

    async add(count, { tx, delayMs } = {}) {
      if (count <= 0) return;
      const startAfter = delayMs ? { startAfter: new Date(Date.now() + delayMs) } : {};
      const own: Db = {
        executeSql: async (text, values) => ({ rows: await (tx ?? client).query(text, values) }),
      };
      await boss.insert(
        NAME,
        Array.from({ length: count }, () => startAfter),
        { db: own },
      );
      // Sent at the commit; whoever sleeps until the next poll wakes up.
      if (!delayMs) await (tx ?? client).query(`SELECT pg_notify('${CHANNEL}', '')`);
    },

    consume: (options) => consume(client, boss, options),

    async waiting() {
      const { waiting } = await client.one<{ waiting: number }>(
        `SELECT count(*)::int AS waiting FROM pgboss.job
         WHERE name = $1 AND state < 'active' AND start_after <= now()`,
        [NAME],
      );
      return waiting;
    },

    async check(signal) {
      await client.query('SELECT 1', [], signal ? { signal } : {});
    },

    async [Symbol.asyncDispose]() {
      await boss.stop({ graceful: false, close: false });
    },
  };
}

async function consume(
  client: Client,
  boss: PgBoss,
  { capacity, deliver, onError }: ConsumeOptions,
): Promise<Consumer> {
  const stopping = new AbortController();
  let wake = new AbortController();
  const listener = await client.listen(CHANNEL, {
    onNotification: () => wake.abort(),
    onReconnect: () => wake.abort(),
    onError,
  });

  async function pause(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: AbortSignal.any([wake.signal, stopping.signal]) }).catch(
      () => undefined,
    );
  }

  const running = (async () => {
    while (!stopping.signal.aborted) {
      const free = await untilAborted(capacity(), stopping.signal);
      if (free === undefined) return;
      // What is notified from here on is not missed: it cuts the pause below short.
      wake = new AbortController();
      try {
        const jobs = await boss.fetch(NAME, { batchSize: free });
        if (jobs.length === 0) {
          await pause(POLL_MS);
          continue;
        }
        const ids = jobs.map(({ id }) => id);
        try {
          await deliver(jobs.length);
        } catch (error) {
          // Another consumer may have them at once, instead of after their time has run out.
          await boss.fail(NAME, ids);
          throw error;
        }
        await boss.deleteJob(NAME, ids);
      } catch (error) {
        if (stopping.signal.aborted) return;
        onError(error);
        await pause(POLL_MS);
      }
    }
  })();

  const stop = async () => {
    stopping.abort();
    await running;
    await listener.close();
  };
  return { stop, [Symbol.asyncDispose]: stop };
}
