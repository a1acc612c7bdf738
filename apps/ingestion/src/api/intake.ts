import type { FastifyRequest } from 'fastify';
import { Batcher } from '../batcher.ts';
import { displayName, type JsonValue } from '../pipeline/index.ts';
import { cleanText } from '../pipeline/text/clean.ts';
import type { StoredContent } from '../storage/content-store.ts';
import { asTenant, isOutage } from '../store/database.ts';
import { type NewDocument, type Registered, registerDocuments, retryFailed } from '../store/documents.ts';
import { traced } from '../tracing.ts';
import type { ApiContext } from './context.ts';
import { Problem } from './problem.ts';
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

/** Takes documents in: bytes to storage first, then document, version, job and queue in one transaction. */
export class Intake {
  readonly #context: ApiContext;
  readonly #batchers = new Map<string, Batcher<NewDocument, Registered>>();

  constructor(context: ApiContext) {
    this.#context = context;
  }

  take(arrival: Arrival): Promise<Registered & { bytes: number; sha256: string }> {
    return traced('intake', { tenant: arrival.tenantId }, () => this.#take(arrival));
  }

  async #take(arrival: Arrival): Promise<Registered & { bytes: number; sha256: string }> {
    const { storage, maxDocumentBytes } = this.#context;
    const { tenantId, body, name, metadata, key, declaredType, ...rest } = arrival;
    const incoming = await storage.receive(tenantId, body, maxDocumentBytes);
    try {
      await incoming.keep();
    } catch (error) {
      await incoming.discard().catch(this.#context.onError);
      throw error;
    }
    try {
      const registered = await this.#batcher(tenantId).add({
        ...rest,
        name: displayName(name).slice(0, 1000) || 'unnamed',
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
    } catch (error) {
      await this.#disown(tenantId, incoming).catch(this.#context.onError);
      throw error;
    }
  }

  /** Content that no document names: noted as such, retention removes it. It may be that of another document, too. */
  async #disown(tenantId: string, { hash, bytes }: StoredContent): Promise<void> {
    await asTenant(this.#context.client, tenantId, (tx) =>
      tx.query('INSERT INTO object (tenant_id, hash, bytes) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING', [
        tenantId,
        hash,
        bytes,
      ]),
    );
  }

  #batcher(tenantId: string): Batcher<NewDocument, Registered> {
    let batcher = this.#batchers.get(tenantId);
    if (!batcher) {
      batcher = new Batcher({
        run: (documents) => this.#register(tenantId, documents),
        capacity: 64,
        isShared: isOutage,
      });
      this.#batchers.set(tenantId, batcher);
    }
    return batcher;
  }

  async #register(tenantId: string, documents: readonly NewDocument[]): Promise<Registered[]> {
    const { client, queue, storage, onError } = this.#context;
    let jobs = 0;
    const registered = await asTenant(client, tenantId, async (tx) => {
      const results = await registerDocuments(tx, tenantId, documents);
      // The rows are held now; a purge that ran just before has taken the bytes with it.
      const stored = await Promise.all(documents.map(({ hash }) => storage.has(tenantId, hash)));
      if (stored.includes(false)) {
        throw new Problem('API_UNAVAILABLE', 'The content was being removed at this very moment', {
          retryAfterSeconds: 1,
        });
      }
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
