import { setTimeout as sleep } from 'node:timers/promises';
import { PipelineError } from '../errors.ts';
import { Semaphore } from '../semaphore.ts';
import { countTokens } from '../text/tokens.ts';
import type { Embedder, EmbedOptions, Vector } from '../types.ts';
import { readVectors } from './vectors.ts';

export interface OpenAiEmbedderOptions {
  /** Up to the version, e.g. `https://api.openai.com/v1` or `http://127.0.0.1:11434/v1`. */
  baseUrl: string;
  /** Sent as bearer token. Never part of an error. */
  apiKey?: string | undefined;
  model: string;
  /** What the model's vectors have. An answer with another number is refused. */
  dimensions: number;
  /** Asks the service to shorten its vectors to `dimensions`, for models that can. */
  shorten?: boolean | undefined;
  /** `base64` is a third of the size and loses no digit; `float` for services that know only JSON numbers. */
  encoding?: 'base64' | 'float' | undefined;
  /** Texts in a request at most. */
  batchTexts?: number | undefined;
  /** Estimated tokens in a request at most. */
  batchTokens?: number | undefined;
  /** Requests at a time, over all documents that share this embedder. */
  concurrency?: number | undefined;
  /** Milliseconds for one request, its answer included. */
  timeoutMs?: number | undefined;
  /** Tries of one request before its failure is passed on. */
  attempts?: number | undefined;
  /** The longest wait, in milliseconds, between two tries; a longer one is left to the caller's queue. */
  maxWaitMs?: number | undefined;
}

const defaults = {
  encoding: 'base64',
  batchTexts: 128,
  batchTokens: 60_000,
  concurrency: 4,
  timeoutMs: 30_000,
  attempts: 4,
  maxWaitMs: 20_000,
} as const;

/** An embedder over HTTP for every service that speaks `POST /embeddings` as OpenAI defined it. */
export function createOpenAiEmbedder(options: OpenAiEmbedderOptions): Embedder {
  const client = new Client(options);
  return {
    model: options.model,
    dimensions: options.dimensions,
    description: `${options.model} at ${new URL(options.baseUrl).host}`,
    embed: (texts, embedOptions) => client.embed(texts, embedOptions),
  };
}

type Settings = OpenAiEmbedderOptions & {
  [key in keyof typeof defaults]: NonNullable<OpenAiEmbedderOptions[key]>;
};

class Client {
  readonly #settings: Settings;
  readonly #places: Semaphore;
  /** When a rate limit lets the next request through; all requests keep to it. */
  #resumeAt = 0;

  constructor(options: OpenAiEmbedderOptions) {
    const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
    this.#settings = { ...defaults, ...(given as unknown as OpenAiEmbedderOptions) } as Settings;
    this.#places = new Semaphore(this.#settings.concurrency);
  }

  async embed(texts: readonly string[], { signal, onProgress }: EmbedOptions = {}): Promise<Vector[]> {
    const vectors = new Array<Vector>(texts.length);
    const stop = new AbortController();
    const either = signal ? AbortSignal.any([signal, stop.signal]) : stop.signal;
    let done = 0;
    let failure: unknown;
    const work = this.#batches(texts).map(async ({ start, end }) => {
      try {
        using _place = await this.#places.acquire(either);
        const answer = await this.#request(texts.slice(start, end), either);
        for (const [at, vector] of answer.entries()) vectors[start + at] = vector;
        done += end - start;
        onProgress?.(done);
      } catch (error) {
        // The first failure ends the others, and theirs only say so.
        failure ??= error;
        stop.abort(error);
      }
    });
    await Promise.all(work);
    if (signal?.aborted) throw cancelled(signal.reason);
    if (failure !== undefined) throw failure;
    return vectors;
  }

  #batches(texts: readonly string[]): { start: number; end: number }[] {
    const { batchTexts, batchTokens } = this.#settings;
    const batches: { start: number; end: number }[] = [];
    let start = 0;
    let tokens = 0;
    for (const [at, text] of texts.entries()) {
      const cost = countTokens(text);
      if (at > start && (at - start >= batchTexts || tokens + cost > batchTokens)) {
        batches.push({ start, end: at });
        start = at;
        tokens = 0;
      }
      tokens += cost;
    }
    if (texts.length > start) batches.push({ start, end: texts.length });
    return batches;
  }

  async #request(texts: readonly string[], signal: AbortSignal): Promise<Vector[]> {
    const { attempts, maxWaitMs } = this.#settings;
    for (let attempt = 1; ; attempt++) {
      const wait = this.#resumeAt - Date.now();
      if (wait > 0) await sleep(wait, undefined, { signal });
      try {
        return await this.#once(texts, signal);
      } catch (error) {
        signal.throwIfAborted();
        if (!(error instanceof PipelineError) || !error.retryable || attempt >= attempts) throw error;
        const pause =
          error.retryAfterMs ?? Math.min(maxWaitMs, 250 * 2 ** attempt * (0.75 + Math.random() / 2));
        if (pause > maxWaitMs) throw error;
        if (error.code === 'INGEST_EMBED_RATE_LIMITED')
          this.#resumeAt = Math.max(this.#resumeAt, Date.now() + pause);
        else await sleep(pause, undefined, { signal });
      }
    }
  }

  async #once(texts: readonly string[], signal: AbortSignal): Promise<Vector[]> {
    const { baseUrl, apiKey, model, dimensions, shorten, encoding, timeoutMs } = this.#settings;
    const timeout = AbortSignal.timeout(timeoutMs);
    try {
      const response = await fetch(`${baseUrl.replace(/\/+$/, '')}/embeddings`, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          ...(apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }),
        },
        body: JSON.stringify({
          model,
          input: texts,
          encoding_format: encoding,
          ...(shorten ? { dimensions } : {}),
        }),
        // A redirect would carry documents and key to somewhere nobody configured.
        redirect: 'error',
        signal: AbortSignal.any([signal, timeout]),
      });
      if (!response.ok) throw await refusal(response);
      return await readVectors(response, texts.length, dimensions);
    } catch (cause) {
      if (cause instanceof PipelineError) throw cause;
      if (timeout.aborted)
        throw new PipelineError(
          'INGEST_EMBED_TIMEOUT',
          `The embedding service did not answer within ${timeoutMs} ms`,
          {
            hint: 'Check its load, or raise the time limit of the embedder.',
            cause,
          },
        );
      throw new PipelineError('INGEST_EMBED_UNAVAILABLE', 'The embedding service cannot be reached', {
        hint: 'Check its address and that it runs.',
        cause,
      });
    }
  }
}

function cancelled(cause: unknown): PipelineError {
  return new PipelineError('INGEST_CANCELLED', 'Embedding was stopped', { hint: 'Start it again.', cause });
}

/** The error for an answer other than 2xx. Of the body only a code is shown: services quote keys and input in it. */
async function refusal(response: Response): Promise<PipelineError> {
  const { status, headers } = response;
  const code = await errorCode(response);
  const what = `The embedding service answered ${status}${code === undefined ? '' : ` (${code})`}`;
  // 429 is also what an exhausted account gets, which waiting does not cure; but the same bytes may succeed later.
  if (status === 429 || (status === 503 && headers.has('retry-after')))
    return new PipelineError('INGEST_EMBED_RATE_LIMITED', what, {
      hint: 'It is tried again by itself; lower the concurrency of the embedder if it stays so.',
      retryAfterMs: retryAfter(headers),
    });
  if (status >= 500 || status === 408 || status === 425)
    return new PipelineError('INGEST_EMBED_UNAVAILABLE', what, { hint: 'It is tried again by itself.' });
  return new PipelineError('INGEST_EMBED_REJECTED', what, {
    hint:
      status === 401 || status === 403
        ? 'Check the API key of the embedder, then redrive the documents.'
        : 'Check the model and address of the embedder, then redrive the documents.',
  });
}

async function errorCode(response: Response): Promise<string | undefined> {
  try {
    let text = '';
    for await (const piece of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
      text += piece;
      if (text.length > 16_384) break;
    }
    const { error } = JSON.parse(text) as { error?: { code?: unknown; type?: unknown } };
    return [error?.code, error?.type].find(
      (each) => typeof each === 'string' && /^[a-z_]{1,60}$/.test(each),
    ) as string | undefined;
  } catch {
    return undefined;
  }
}

/** `Retry-After` in seconds or as a date (RFC 9110, 10.2.3), or the milliseconds that OpenAI adds. */
function retryAfter(headers: Headers): number | undefined {
  const exact = Number(headers.get('retry-after-ms') ?? Number.NaN);
  if (Number.isFinite(exact)) return Math.max(0, exact);
  const value = headers.get('retry-after');
  if (value === null) return undefined;
  const seconds = Number(value);
  const wait = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(value) - Date.now();
  return Number.isFinite(wait) ? Math.max(0, wait) : undefined;
}
