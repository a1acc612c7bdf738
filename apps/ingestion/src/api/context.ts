import type { Health } from '@stackyard/healthchecks';
import type { Client } from '@stackyard/postgres';
import type { Metrics } from '../metrics.ts';
import type { Embedder } from '../pipeline/index.ts';
import type { Queue } from '../queue/index.ts';
import type { ContentStore } from '../storage/index.ts';
import type { SafeFetchOptions } from './safe-fetch.ts';

/** What the routes work with. */
export interface ApiContext {
  readonly client: Client;
  readonly queue: Queue;
  readonly storage: ContentStore;
  /** Makes the vector of a question with the active model. */
  readonly embedder: Embedder;
  readonly embedderOf?: ((model: { model: string; dimensions: number }) => Embedder | undefined) | undefined;
  readonly health: Health;
  readonly maxDocumentBytes: number;
  /** Requests without a key belong to this tenant; refused where absent. */
  readonly anonymousTenant?: string | undefined;
  /** Host names under which they are answered, besides addresses and `localhost`; `.example.org` stands for all below it. */
  readonly allowedHosts?: readonly string[] | undefined;
  readonly metrics?: Metrics | undefined;
  /** The built page, served at `/`. */
  readonly webDirectory?: string | undefined;
  /** How documents are fetched from URLs. */
  readonly fetch?: SafeFetchOptions | undefined;
  readonly onError: (error: unknown) => void;
}
