import { setTimeout as sleep } from 'node:timers/promises';
import type { Hit } from './format.ts';

const ATTEMPTS = 6;

/** The API said no, or nothing. */
export class CliError extends Error {
  override readonly name = 'CliError';
  readonly code: string;
  readonly hint: string;

  constructor(code: string, message: string, hint: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
    this.hint = hint;
  }
}

export interface Version {
  readonly status: string;
  readonly chunks: number | null;
  readonly error: { code: string; message: string; hint: string } | null;
}

/** The part of the API that the commands use. */
export class ApiClient {
  readonly #url: string;
  readonly #key: string | undefined;

  constructor(url: string, key: string | undefined) {
    this.#url = url;
    this.#key = key;
  }

  async call<T>(path: string, init: RequestInit = {}, attempt = 1): Promise<T> {
    const authorization = this.#key === undefined ? {} : { authorization: `Bearer ${this.#key}` };
    let response: Response;
    try {
      response = await fetch(new URL(path, this.#url), {
        ...init,
        headers: { ...authorization, ...(init.headers as Record<string, string>) },
      });
    } catch (cause) {
      throw new CliError(
        'CLI_UNREACHABLE',
        `No answer from ${this.#url}`,
        'Start it with `./pnpmw turbo dev --filter ingestion`, or set INGESTION_URL.',
        { cause },
      );
    }
    const text = await response.text();
    const retryAfter = Number(response.headers.get('retry-after') ?? Number.NaN);
    // A limit, or an outage of a moment.
    if ((response.status === 429 || response.status === 503) && retryAfter >= 0 && attempt < ATTEMPTS) {
      await sleep(retryAfter * 1000);
      return this.call(path, init, attempt + 1);
    }
    const json = parse(text);
    if (!response.ok) {
      throw new CliError(
        json.code ?? `CLI_HTTP_${response.status}`,
        json.title ?? `The API answered with status ${response.status}`,
        json.hint ?? 'See what stands between this machine and the API.',
      );
    }
    return json as T;
  }

  post<T>(path: string, body: unknown): Promise<T> {
    return this.call(path, {
      method: 'POST',
      body: JSON.stringify(body),
      headers: { 'content-type': 'application/json' },
    });
  }

  search(query: string, limit: number, mode: string): Promise<{ hits: Hit[]; tookMs: number }> {
    return this.post('/v1/search', { query, limit, mode });
  }

  async version(documentId: string): Promise<Version> {
    const { document } = await this.call<{ document: { latest: Version } }>(`/v1/documents/${documentId}`);
    return document.latest;
  }
}

/** What a proxy answers in the API's place is no JSON. */
function parse(text: string): { code?: string; title?: string; hint?: string } {
  try {
    return text === '' ? {} : JSON.parse(text);
  } catch {
    return {};
  }
}
