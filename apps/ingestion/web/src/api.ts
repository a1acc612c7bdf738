export type Status = 'queued' | 'processing' | 'ready' | 'failed' | 'superseded';

export interface DocumentItem {
  id: string;
  name: string;
  metadata: Record<string, unknown>;
  createdAt: string;
  deletedAt: string | null;
  currentVersion: string | null;
  latest: {
    id: string;
    status: Status;
    stage: string | null;
    done: number | null;
    total: number | null;
    bytes: number;
    format: string | null;
    pages: number | null;
    chunks: number | null;
    notes: { code: string; message: string }[];
    error: { code: string; message: string; hint: string } | null;
  };
}

export interface Hit {
  chunkId: string;
  documentId: string;
  name: string;
  title: string | null;
  text: string;
  highlights: [number, number][];
  start: number;
  end: number;
  page: number | null;
  pageEnd: number | null;
  slide: number | null;
  sheet: string | null;
  headings: string[];
  file: string[];
}

/** What the events say of a version. */
export interface VersionEvent {
  document: string;
  version: string;
  name: string;
  status: Status;
  stage?: string;
  done?: number;
  total?: number;
  chunks?: number;
  error?: string;
  message?: string;
}

/** An answer that is not what was asked for; the message is meant for people. */
export class ApiError extends Error {
  readonly code: string;
  readonly hint: string;
  constructor(problem: { title?: string; code?: string; hint?: string }) {
    super(problem.title ?? 'The server does not answer');
    this.code = problem.code ?? 'UNREACHABLE';
    this.hint = problem.hint ?? 'Check that the API runs, then try again.';
  }
}

const KEY = 'ingestion.apiKey';
export const apiKey = {
  get: () => localStorage.getItem(KEY) ?? '',
  set: (key: string) => (key === '' ? localStorage.removeItem(KEY) : localStorage.setItem(KEY, key)),
};

function headers(more: Record<string, string> = {}): Record<string, string> {
  const key = apiKey.get();
  return key === '' ? more : { ...more, authorization: `Bearer ${key}` };
}

const ATTEMPTS = 10;

/** Waits as long as the server asks, as where many documents come at once; false where it asks for nothing. */
async function held(status: number, retryAfter: string | null, attempt: number): Promise<boolean> {
  if ((status !== 429 && status !== 503) || retryAfter === null || attempt >= ATTEMPTS) return false;
  await new Promise((resolve) => setTimeout(resolve, Number(retryAfter) * 1000));
  return true;
}

async function call<T>(path: string, init: RequestInit = {}, attempt = 1): Promise<T> {
  const response = await fetch(path, {
    ...init,
    headers: headers(init.headers as Record<string, string>),
  }).catch(() => {
    throw new ApiError({});
  });
  if (await held(response.status, response.headers.get('retry-after'), attempt)) {
    return call(path, init, attempt + 1);
  }
  const text = await response.text();
  const json = /json/.test(response.headers.get('content-type') ?? '') && text !== '' ? JSON.parse(text) : {};
  if (!response.ok) throw new ApiError(json);
  return json;
}

const json = { 'content-type': 'application/json' };

export const api = {
  list: (cursor?: string) =>
    call<{ documents: DocumentItem[]; counts: Partial<Record<Status, number>>; next: string | null }>(
      `/v1/documents?limit=200${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ''}`,
    ),
  counts: async () =>
    (await call<{ counts: Partial<Record<Status, number>> }>('/v1/documents?limit=1')).counts,
  get: (id: string) => call<{ document: DocumentItem }>(`/v1/documents/${id}`),
  text: (id: string, start: number, end: number) =>
    call<{ text: string; start: number; length: number }>(
      `/v1/documents/${id}/text?start=${start}&end=${end}`,
    ),
  retry: (id: string) => call<DocumentItem>(`/v1/documents/${id}/reprocess`, { method: 'POST' }),
  retryAll: () => call<unknown>('/v1/dead-letters/redrive', { method: 'POST', headers: json, body: '{}' }),
  remove: (id: string) => call<unknown>(`/v1/documents/${id}`, { method: 'DELETE' }),
  restore: (id: string) => call<DocumentItem>(`/v1/documents/${id}/restore`, { method: 'POST' }),
  search: (query: string, signal: AbortSignal) =>
    call<{ hits: Hit[]; tookMs: number }>('/v1/search', {
      method: 'POST',
      headers: json,
      body: JSON.stringify({ query, limit: 20 }),
      signal,
    }),
};

/** Saves the bytes as they were sent. A link would not do: it cannot carry the API key. */
export async function download(id: string, name: string): Promise<void> {
  const response = await fetch(`/v1/documents/${id}/content`, { headers: headers() }).catch(() => undefined);
  if (!response?.ok) throw new ApiError(await (response?.json() ?? {}));
  const link = document.createElement('a');
  link.href = URL.createObjectURL(await response.blob());
  link.download = name.slice(name.lastIndexOf('/') + 1);
  link.click();
  URL.revokeObjectURL(link.href);
}

/** Sends one file; only XMLHttpRequest tells how far the bytes have come. */
export function upload(
  file: File,
  name: string,
  onProgress: (share: number) => void,
  attempt = 1,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open('POST', `/v1/documents?${new URLSearchParams({ name })}`);
    for (const [key, value] of Object.entries(
      headers({ 'content-type': file.type || 'application/octet-stream' }),
    )) {
      request.setRequestHeader(key, value);
    }
    request.upload.onprogress = ({ loaded, total }) => onProgress(total === 0 ? 1 : loaded / total);
    request.onerror = () => reject(new ApiError({}));
    request.onload = async () => {
      if (await held(request.status, request.getResponseHeader('retry-after'), attempt)) {
        resolve(upload(file, name, onProgress, attempt + 1));
        return;
      }
      let answer: { documents?: { documentId: string }[]; title?: string; code?: string; hint?: string } = {};
      try {
        answer = JSON.parse(request.responseText);
      } catch {
        // a proxy answered instead of the API
      }
      const id = answer.documents?.[0]?.documentId;
      if (request.status === 202 && id) resolve(id);
      else reject(new ApiError(answer));
    };
    request.send(file);
  });
}

/**
 * Events of all documents until the signal aborts. Reconnects by itself, and gets what was missed meanwhile; where that is
 * not known any more, `onReload` is called, as at the beginning.
 */
export async function watch(
  onEvent: (event: VersionEvent) => void,
  { onConnected, onReload }: { onConnected: (connected: boolean) => void; onReload: () => void },
  signal: AbortSignal,
): Promise<void> {
  let lastId = '';
  for (let delay = 500; !signal.aborted; delay = Math.min(delay * 2, 10_000)) {
    try {
      const response = await fetch('/v1/events', {
        headers: headers(lastId === '' ? {} : { 'last-event-id': lastId }),
        signal,
      });
      if (response.ok && response.body) {
        delay = 500;
        onConnected(true);
        for await (const { id, event, data } of events(response.body)) {
          if (event === 'reload') onReload();
          if (event === 'version') onEvent(JSON.parse(data));
          lastId = id;
        }
      }
    } catch {
      // tried again below
    }
    if (signal.aborted) return;
    onConnected(false);
    await new Promise((resolve) => setTimeout(resolve, delay));
  }
}

async function* events(body: ReadableStream<Uint8Array<ArrayBuffer>>) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    text += value;
    const blocks = text.split('\n\n');
    text = blocks.pop() ?? '';
    for (const block of blocks) {
      const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(block)?.[1] ?? '';
      if (field('event') !== '') yield { id: field('id'), event: field('event'), data: field('data') };
    }
  }
}
