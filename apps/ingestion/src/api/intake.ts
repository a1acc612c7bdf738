import type { FastifyRequest } from 'fastify';
import { Batcher } from '../batcher.ts';
import { displayName, type JsonValue } from '../pipeline/index.ts';
import { cleanText } from '../pipeline/text/clean.ts';
import type { StoredContent } from '../storage/content-store.ts';
import { asTenant, isOutage } from '../store/database.ts';
import {
  type NewDocument,
  noteContents,
  type Registered,
  registerDocuments,
  retryFailed,
} from '../store/documents.ts';
import { traced } from '../tracing.ts';
import { checkLabels, MAX_LABEL } from './clean.ts';
import type { ApiContext } from './context.ts';
import { traceOf } from './trace.ts';

/** What comes with a document's bytes. */
export interface Arrival {
  readonly tenantId: string;
  readonly name: string;
  readonly body: AsyncIterable<Uint8Array>;
  readonly declaredType?: string | undefined;
  readonly key?: string | undefined;
  readonly target?: string | undefined;
  readonly sourceUrl?: string | undefined;
  /** From `metadataOf`. */
  readonly metadata?: { readonly [key: string]: JsonValue } | undefined;
  readonly expiresAt?: Date | undefined;
  readonly idempotencyKey?: string | undefined;
  readonly priority?: number | undefined;
}

/** Repeating a request with the same key is safe. */
export function idempotencyKeyOf({ headers }: FastifyRequest): string | undefined {
  const key = headers['idempotency-key'];
  return typeof key === 'string' ? key : undefined;
}

interface Batchers {
  readonly contents: Batcher<StoredContent, void>;
  readonly documents: Batcher<NewDocument, Registered>;
}

/** Takes documents in: bytes to storage first, then document, version, job and queue in one transaction. */
export class Intake {
  readonly #context: ApiContext;
  readonly #batchers = new Map<string, Batchers>();

  constructor(context: ApiContext) {
    this.#context = context;
  }

  async take(arrival: Arrival): Promise<Registered & { bytes: number; sha256: string }> {
    checkLabels(arrival);
    return traced('intake', { tenant: arrival.tenantId }, () => this.#take(arrival));
  }

  async #take(arrival: Arrival): Promise<Registered & { bytes: number; sha256: string }> {
    const { storage, maxDocumentBytes } = this.#context;
    const { tenantId, body, name, metadata, key, declaredType, ...rest } = arrival;
    const incoming = await storage.receive(tenantId, body, maxDocumentBytes);
    const { contents, documents } = this.#batchersOf(tenantId);
    try {
      // Before the bytes are in their place: a purge of the same content is over then, and no other begins. What no
      // document comes to name is removed by one in the end.
      await contents.add(incoming);
      await incoming.keep();
    } catch (error) {
      await incoming.discard().catch(this.#context.onError);
      throw error;
    }
    const registered = await documents.add({
      ...rest,
      name: displayName(name, MAX_LABEL),
      key: key === undefined ? undefined : cleanText(key),
      declaredType: declaredType && cleanText(declaredType),
      metadata: metadata ?? {},
      hash: incoming.hash,
      bytes: incoming.bytes,
      priority: arrival.priority ?? 0,
      trace: traceOf(),
    });
    this.#context.metrics?.received.inc(incoming.bytes);
    return { ...registered, bytes: incoming.bytes, sha256: incoming.hash.toString('hex') };
  }

  #batchersOf(tenantId: string): Batchers {
    const known = this.#batchers.get(tenantId);
    if (known) return known;
    const { client } = this.#context;
    const options = { capacity: 64, isShared: isOutage };
    const batchers: Batchers = {
      contents: new Batcher<StoredContent, void>({
        ...options,
        run: async (contents) => {
          await asTenant(client, tenantId, (tx) => noteContents(tx, tenantId, contents));
          return [];
        },
      }),
      documents: new Batcher({ ...options, run: (documents) => this.#register(tenantId, documents) }),
    };
    this.#batchers.set(tenantId, batchers);
    return batchers;
  }

  async #register(tenantId: string, documents: readonly NewDocument[]): Promise<Registered[]> {
    const { client, queue, onError } = this.#context;
    let jobs = 0;
    const registered = await asTenant(client, tenantId, async (tx) => {
      const results = await registerDocuments(tx, tenantId, documents);
      jobs = results.filter(({ outcome }) => outcome === 'created' || outcome === 'updated').length;
      // Who sends again what had failed wants another attempt, as where its bytes had been lost.
      const there = results.flatMap(({ outcome, versionId }) => (outcome === 'duplicate' ? [versionId] : []));
      if (there.length > 0) jobs += await retryFailed(tx, tenantId, there);
      if (queue.transactional) await queue.add(jobs, { tx });
      return results;
    });
    // Without the queue the reconciler finds the jobs, a little later.
    if (!queue.transactional) await queue.add(jobs).catch(onError);
    return registered;
  }
}
