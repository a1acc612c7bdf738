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
  const more = useRef(false);
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
      more.current = rest.next !== null;
      setError(undefined);
    } catch (failure) {
      setError(failure instanceof ApiError ? failure : new ApiError({}));
    }
  }, []);
  const reload = useCallback(() => load(), [load]);

  /** What is not listed in full cannot be counted here. */
  const recount = useCallback(async () => {
    if (more.current) await api.counts().then(setCounts, () => undefined);
  }, []);

  /** Asks for documents that have changed; for many at once, as a folder of thousands must leave room for sending them. */
  const refresh = useCallback(
    async (id: string) => {
      known.current.add(id);
      wanted.current.add(id);
      if (asking.current) return;
      asking.current = true;
      while (wanted.current.size > 0) {
        const ids = [...wanted.current];
        wanted.current.clear();
        const found = await ask(ids);
        const there = new Set(found.map((item) => item.id));
        for (const each of there) touched.current.set(each, performance.now());
        const visible = found.filter(({ deletedAt }) => deletedAt === null);
        setDocuments((all) =>
          [...visible, ...all.filter((item) => !there.has(item.id))].toSorted(newestFirst),
        );
        if (wanted.current.size === 0) await recount();
      }
      asking.current = false;
    },
    [recount],
  );

  const forget = useCallback(
    (id: string) => {
      touched.current.set(id, performance.now());
      setDocuments((all) => all.filter((item) => item.id !== id));
      void recount();
    },
    [recount],
  );

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

/** From so many on, the newest of all are asked for: they are in one answer. */
const MANY = 5;

async function ask(ids: readonly string[]): Promise<DocumentItem[]> {
  const found =
    ids.length < MANY
      ? []
      : await api.list().then(
          ({ documents }) => documents.filter(({ id }) => ids.includes(id)),
          () => [],
        );
  const there = new Set(found.map(({ id }) => id));
  for (const id of ids) {
    const one = there.has(id) ? undefined : await api.get(id).catch(() => undefined);
    if (one) found.push(one.document);
  }
  return found;
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
