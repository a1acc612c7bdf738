import type { StoredDocument } from '../storage/document.ts';
import { documentSize } from './document-rules.ts';
import { FunctionError } from './function-error.ts';

/** Limits of one transaction, those of Convex. */
const MAX_DOCUMENTS_READ = 32_000;
const MAX_BYTES_READ = 16 * 1024 * 1024;
const MAX_DOCUMENTS_WRITTEN = 16_000;

const ADVICE =
  'Consider using smaller limits in your queries, paginating your queries, or using indexed queries with a ' +
  'selective index range expressions.';

/** What a transaction, with everything it calls, has read and written. */
export class TransactionUsage {
  #documents = 0;
  #bytes = 0;
  #written = 0;

  charge(document: StoredDocument): void {
    this.#documents++;
    this.#bytes += documentSize(document);
    if (this.#documents > MAX_DOCUMENTS_READ) {
      throw new FunctionError(
        `Too many documents read in a single function execution (limit: ${MAX_DOCUMENTS_READ}). ${ADVICE}`,
      );
    }
    if (this.#bytes > MAX_BYTES_READ) {
      throw new FunctionError(
        `Too many bytes read in a single function execution (limit: ${MAX_BYTES_READ} bytes). ${ADVICE}`,
      );
    }
  }

  countWrite(): void {
    this.#written++;
    if (this.#written <= MAX_DOCUMENTS_WRITTEN) return;
    throw new FunctionError(
      `Too many documents written in a single function execution (limit: ${MAX_DOCUMENTS_WRITTEN}).`,
    );
  }

  /** In the form of `ctx.meta.getTransactionMetrics()`. */
  metrics(): unknown {
    const metric = (used: number, limit: number) => ({ used, remaining: limit - used });
    return {
      bytesRead: metric(this.#bytes, MAX_BYTES_READ),
      documentsRead: metric(this.#documents, MAX_DOCUMENTS_READ),
      documentsWritten: metric(this.#written, MAX_DOCUMENTS_WRITTEN),
    };
  }
}
