import { type Client, createClient } from '@stackyard/postgres';
import { type Services, storageUrl } from './config.ts';
import { createHashingEmbedder, type Embedder } from './pipeline/index.ts';
import { openQueue, type Queue } from './queue/index.ts';
import { type ContentStore, openStorage } from './storage/index.ts';

export interface OpenServices extends AsyncDisposable {
  readonly client: Client;
  readonly storage: ContentStore;
  readonly queue: Queue;
  readonly embedder: Embedder;
}

/** Opens what both the API and the worker need; disposal closes it in reverse order. */
export async function openServices(
  env: Services,
  { name, connections, onError }: { name: string; connections: number; onError: (error: unknown) => void },
): Promise<OpenServices> {
  await using stack = new AsyncDisposableStack();
  const client = stack.use(
    createClient({ url: env.DATABASE_URL, applicationName: name, connections, onConnectionError: onError }),
  );
  const storage = stack.use(await openStorage(storageUrl(env)));
  const url = env.QUEUE_URL === undefined ? undefined : new URL(env.QUEUE_URL);
  const queue = stack.use(await openQueue({ url, client, onError }));
  const embedder = createHashingEmbedder();
  const owned = stack.move();
  return { client, storage, queue, embedder, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}
