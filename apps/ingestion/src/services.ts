import { type Client, createClient } from '@stackyard/postgres';
import { type Services, storageUrl } from './config.ts';
import {
  createHashingEmbedder,
  createOpenAiEmbedder,
  type Embedder,
  type EmbeddingModel,
  HASHING_MODEL,
} from './pipeline/index.ts';
import { openQueue, type Queue } from './queue/index.ts';
import { type ContentStore, openStorage } from './storage/index.ts';

export interface OpenServices extends AsyncDisposable {
  readonly client: Client;
  readonly storage: ContentStore;
  readonly queue: Queue;
  readonly embedder: Embedder;
  /** The embedder of any model that the variables can reach, for moving from one to another. */
  readonly embedderOf: (model: EmbeddingModel) => Embedder | undefined;
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
  const embedder = configured(env);
  const owned = stack.move();
  return {
    client,
    storage,
    queue,
    embedder,
    embedderOf: embedders(env),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** The embedder that the variables name; the built-in hashing where they name none. */
function configured(env: Services): Embedder {
  if (env.EMBEDDING_URL === undefined) return createHashingEmbedder();
  return createOpenAiEmbedder({
    baseUrl: env.EMBEDDING_URL,
    model: env.EMBEDDING_MODEL,
    dimensions: env.EMBEDDING_DIMENSIONS,
    apiKey: env.EMBEDDING_API_KEY,
  });
}

/** Made at their first use: rate limits are kept per embedder. */
function embedders(env: Services): OpenServices['embedderOf'] {
  const known = new Map<string, Embedder>();
  const baseUrl = env.NEXT_EMBEDDING_URL ?? env.EMBEDDING_URL;
  const apiKey = env.NEXT_EMBEDDING_URL === undefined ? env.EMBEDDING_API_KEY : env.NEXT_EMBEDDING_API_KEY;
  return ({ model, dimensions }) => {
    const name = `${model}/${dimensions}`;
    let embedder = known.get(name);
    if (!embedder) {
      if (model === HASHING_MODEL) embedder = createHashingEmbedder({ dimensions });
      else if (baseUrl !== undefined) embedder = createOpenAiEmbedder({ baseUrl, model, dimensions, apiKey });
      else return undefined;
      known.set(name, embedder);
    }
    return embedder;
  };
}
