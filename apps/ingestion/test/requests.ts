import { setTimeout as sleep } from 'node:timers/promises';
import type { DocumentView } from '../src/store/documents.ts';
import type { SearchHit } from '../src/store/search.ts';

export interface Answer {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into many kinds of answers
  readonly body: any;
  readonly headers: Headers;
}

/** The API as a client sees it. */
export function requests(url: string, key?: string) {
  const authorization: Record<string, string> = key === undefined ? {} : { authorization: `Bearer ${key}` };

  async function call(path: string, init: RequestInit = {}): Promise<Answer> {
    const response = await fetch(new URL(path, url), {
      ...init,
      headers: { ...authorization, ...(init.headers as Record<string, string>) },
    });
    const text = await response.text();
    const json = text !== '' && /json/.test(response.headers.get('content-type') ?? '');
    return { status: response.status, headers: response.headers, body: json ? JSON.parse(text) : text };
  }

  const post = (path: string, body: unknown) =>
    call(path, {
      method: 'POST',
      body: JSON.stringify(body),
      headers: { 'content-type': 'application/json' },
    });

  async function add(
    name: string,
    content: string | Uint8Array,
    query: Record<string, string> = {},
    headers: Record<string, string> = {},
  ) {
    const parameters = new URLSearchParams({ name, ...query });
    return call(`/v1/documents?${parameters}`, {
      method: 'POST',
      body: content as NonNullable<RequestInit['body']>,
      headers: { 'content-type': 'application/octet-stream', ...headers },
    });
  }

  async function document(id: string): Promise<DocumentView> {
    return (await call(`/v1/documents/${id}`)).body.document;
  }

  /** Waits until the newest version is through, one way or the other. */
  async function settled(id: string, withinMs = 20_000): Promise<DocumentView> {
    const end = Date.now() + withinMs;
    for (;;) {
      const found = await document(id);
      if (found && (found.latest.status === 'ready' || found.latest.status === 'failed')) return found;
      if (Date.now() > end) throw new Error(`${id} is still ${found?.latest.status} after ${withinMs} ms`);
      await sleep(20);
    }
  }

  async function ingest(
    name: string,
    content: string | Uint8Array,
    query?: Record<string, string>,
  ): Promise<DocumentView> {
    const { status, body } = await add(name, content, query);
    if (status !== 202) throw new Error(`${status}: ${JSON.stringify(body)}`);
    return settled(body.documents[0].documentId);
  }

  async function find(query: string, more: object = {}): Promise<SearchHit[]> {
    const { status, body } = await post('/v1/search', { query, ...more });
    if (status !== 200) throw new Error(`${status}: ${JSON.stringify(body)}`);
    return body.hits;
  }

  return { call, post, add, document, settled, ingest, find };
}
