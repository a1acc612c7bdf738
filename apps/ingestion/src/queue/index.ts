import type { Client } from '@stackyard/postgres';
import { openPgBossQueue } from './pg-boss-queue.ts';
import type { Queue } from './queue.ts';

export type { Consumer, Queue } from './queue.ts';

export interface QueueOptions {
  /** `redis://` or `rediss://`; the database itself where absent or `postgresql://`. */
  readonly url?: URL | undefined;
  readonly client: Client;
  readonly migrate?: boolean;
  readonly onError: (error: unknown) => void;
}

/** Opens what the URL names. */
export async function openQueue({ url, client, migrate = false, onError }: QueueOptions): Promise<Queue> {
  if (url && /^rediss?:$/.test(url.protocol)) {
    const { openBullQueue } = await import('./bullmq-queue.ts');
    return openBullQueue(url, onError);
  }
  return openPgBossQueue(client, { migrate, onError });
}
