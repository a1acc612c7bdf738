import { useCallback, useEffect, useRef, useState } from 'react';
import { ApiError, api, type DocumentItem, type VersionEvent, watch } from './api.ts';

/** The documents, kept current by the events of the API. */
export function useDocuments() {
  const [documents, setDocuments] = useState<readonly DocumentItem[]>([]);
  const [connected, setConnected] = useState(true);
  const [error, setError] = useState<ApiError>();
  const known = useRef(new Set<string>());

  const reload = useCallback(async () => {
    try {
      const { documents: all } = await api.list();
      known.current = new Set(all.map(({ id }) => id));
      setDocuments(all);
      setError(undefined);
    } catch (failure) {
      setError(failure instanceof ApiError ? failure : new ApiError({}));
    }
  }, []);

  const refresh = useCallback(async (id: string) => {
    known.current.add(id);
    const found = await api.get(id).catch(() => undefined);
    if (!found) return;
    setDocuments((all) => [found.document, ...all.filter((item) => item.id !== id)].toSorted(newestFirst));
  }, []);

  const forget = useCallback((id: string) => {
    known.current.delete(id);
    setDocuments((all) => all.filter((item) => item.id !== id));
  }, []);

  useEffect(() => {
    const aborter = new AbortController();
    const onEvent = (event: VersionEvent) => {
      const settled = event.status === 'ready' || event.status === 'failed';
      if (settled || !known.current.has(event.document)) void refresh(event.document);
      else setDocuments((all) => all.map((item) => (item.id === event.document ? moved(item, event) : item)));
    };
    void watch(onEvent, { onConnected: setConnected, onReload: () => void reload() }, aborter.signal);
    return () => aborter.abort();
  }, [refresh, reload]);

  return { documents, connected, error, refresh, reload, forget };
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
