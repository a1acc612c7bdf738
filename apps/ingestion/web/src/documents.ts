import { useCallback, useEffect, useRef, useState } from 'react';
import { ApiError, api, type DocumentItem, type Status, type VersionEvent, watch } from './api.ts';

/** The documents, kept current by the events of the API. */
export function useDocuments() {
  const [documents, setDocuments] = useState<readonly DocumentItem[]>([]);
  const [counts, setCounts] = useState<Partial<Record<Status, number>>>();
  const [next, setNext] = useState<string | null>(null);
  const [connected, setConnected] = useState(true);
  const [error, setError] = useState<ApiError>();
  const known = useRef(new Set<string>());
  const wanted = useRef(new Set<string>());
  const asking = useRef(false);
  /** When each document was changed here: a list that was asked for before knows less. */
  const touched = useRef(new Map<string, number>());

  const load = useCallback(async (cursor?: string) => {
    try {
      const asked = performance.now();
      const { documents: found, ...rest } = await api.list(cursor);
      for (const { id } of found) known.current.add(id);
      const changed = ({ id }: DocumentItem) => (touched.current.get(id) ?? 0) > asked;
      setDocuments((before) => {
        const kept = cursor ? before : before.filter(changed);
        const there = new Set(kept.map(({ id }) => id));
        const added = found.filter((item) => !changed(item) && !there.has(item.id));
        return [...kept, ...added].toSorted(newestFirst);
      });
      setCounts(rest.counts);
      setNext(rest.next);
      setError(undefined);
    } catch (failure) {
      setError(failure instanceof ApiError ? failure : new ApiError({}));
    }
  }, []);
  const reload = useCallback(() => load(), [load]);

  /** Asks for documents one after the other: a folder of thousands must leave room for sending them. */
  const refresh = useCallback(async (id: string) => {
    known.current.add(id);
    wanted.current.add(id);
    if (asking.current) return;
    asking.current = true;
    for (const next of wanted.current) {
      wanted.current.delete(next);
      const found = await api.get(next).catch(() => undefined);
      if (!found) continue;
      touched.current.set(next, performance.now());
      setDocuments((all) =>
        [found.document, ...all.filter((item) => item.id !== next)].toSorted(newestFirst),
      );
    }
    asking.current = false;
  }, []);

  const forget = useCallback((id: string) => {
    touched.current.set(id, performance.now());
    setDocuments((all) => all.filter((item) => item.id !== id));
  }, []);

  useEffect(() => {
    const aborter = new AbortController();
    // Events say when there is more to know. Why there are none, such as a missing key, says only this.
    void reload();
    const onEvent = (event: VersionEvent) => {
      const settled = event.status === 'ready' || event.status === 'failed';
      if (settled || !known.current.has(event.document)) void refresh(event.document);
      else {
        touched.current.set(event.document, performance.now());
        setDocuments((all) => all.map((item) => (item.id === event.document ? moved(item, event) : item)));
      }
    };
    void watch(onEvent, { onConnected: setConnected, onReload: () => void reload() }, aborter.signal);
    return () => aborter.abort();
  }, [refresh, reload]);

  return {
    documents,
    // What is listed in full is counted here, so that the numbers move with the rows. Undefined until something is known.
    counts: counts && next === null ? countOf(documents) : counts,
    next,
    load,
    connected,
    error,
    refresh,
    reload,
    forget,
  };
}

function countOf(documents: readonly DocumentItem[]): Partial<Record<Status, number>> {
  const counts: Partial<Record<Status, number>> = {};
  for (const { latest } of documents) counts[latest.status] = (counts[latest.status] ?? 0) + 1;
  return counts;
}

function newestFirst(a: DocumentItem, b: DocumentItem): number {
  return b.createdAt.localeCompare(a.createdAt) || b.id.localeCompare(a.id);
}

function moved(item: DocumentItem, { status, stage, done, total }: VersionEvent): DocumentItem {
  return {
    ...item,
    latest: { ...item.latest, status, stage: stage ?? null, done: done ?? null, total: total ?? null },
  };
}
