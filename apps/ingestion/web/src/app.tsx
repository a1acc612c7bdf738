import { useCallback, useEffect, useRef, useState } from 'react';
import { ApiError, api, apiKey, type Hit } from './api.ts';
import { useDocuments } from './documents.ts';
import { chosenFiles, droppedFiles } from './files.ts';
import { count, placeOf } from './format.ts';
import { DocumentRow, UploadRow } from './row.tsx';
import { Search } from './search.tsx';
import { type Place, Source } from './source.tsx';
import { useUploads } from './uploads.ts';

export function App() {
  const { documents, counts, next, load, connected, error, refresh, reload, forget } = useDocuments();
  const { items, add, retry, dismiss } = useUploads(refresh);
  const [place, setPlace] = useState<Place>();
  const [removed, setRemoved] = useState<{ id: string; name: string }>();
  const [problem, setProblem] = useState<ApiError>();
  const [onlyFailed, setOnlyFailed] = useState(false);
  const [over, setOver] = useState(false);
  const files = useRef<HTMLInputElement>(null);
  const folder = useRef<HTMLInputElement>(null);

  useEffect(() => {
    const onOver = (event: DragEvent) => {
      event.preventDefault();
      setOver(true);
    };
    const onLeave = (event: DragEvent) => {
      if (event.relatedTarget === null) setOver(false);
    };
    const onDrop = (event: DragEvent) => {
      event.preventDefault();
      setOver(false);
      if (event.dataTransfer) void droppedFiles(event.dataTransfer).then(add);
    };
    document.addEventListener('dragover', onOver);
    document.addEventListener('dragleave', onLeave);
    document.addEventListener('drop', onDrop);
    return () => {
      document.removeEventListener('dragover', onOver);
      document.removeEventListener('dragleave', onLeave);
      document.removeEventListener('drop', onDrop);
    };
  }, [add]);

  const openHit = useCallback((hit: Hit) => {
    setPlace({
      documentId: hit.documentId,
      name: hit.name,
      where: placeOf(hit),
      range: [hit.start, hit.end],
    });
  }, []);

  /** What a button asks for; why it could not be done is shown. */
  async function attempt(action: () => Promise<void>) {
    setProblem(undefined);
    await action().catch((failure: unknown) =>
      setProblem(failure instanceof ApiError ? failure : new ApiError({})),
    );
  }

  const remove = (id: string, name: string) =>
    attempt(async () => {
      await api.remove(id);
      forget(id);
      setRemoved({ id, name });
    });

  const undo = (id: string) =>
    attempt(async () => {
      await api.restore(id);
      setRemoved(undefined);
      await refresh(id);
    });

  function onChosen(event: React.ChangeEvent<HTMLInputElement>) {
    if (event.target.files) add(chosenFiles(event.target.files));
    event.target.value = '';
  }

  const { failed = 0, queued = 0, processing = 0 } = counts ?? {};
  const all = Object.values(counts ?? {}).reduce((sum, each) => sum + each, 0);
  const sending = items.filter((item) => !item.error);
  // Once none is left, there is no button any more to show the others.
  const filtered = onlyFailed && failed > 0;
  const shown = filtered ? documents.filter(({ latest }) => latest.status === 'failed') : documents;
  const empty = counts !== undefined && all + items.length === 0 && !error;

  return (
    <main>
      {over && (
        <div className="over" aria-hidden="true">
          Drop to add
        </div>
      )}
      <header className="top">
        <h1>Documents</h1>
        <p role="status" className="quiet">
          {connected ? counts && summary(all, queued + processing + sending.length) : 'Reconnecting…'}
        </p>
      </header>
      <Search onOpen={openHit} />
      <section className="drop" aria-label="Add documents">
        <p>
          <strong>Drop files or folders anywhere on this page</strong>
          <span className="quiet">
            PDF, Word, PowerPoint, Excel, HTML, Markdown, text, CSV, JSON, email, source code, or a zip of
            these
          </span>
        </p>
        <div className="actions">
          <button type="button" onClick={() => files.current?.click()}>
            Choose files
          </button>
          <button type="button" onClick={() => folder.current?.click()}>
            Choose a folder
          </button>
        </div>
        <input ref={files} type="file" multiple hidden onChange={onChosen} data-testid="files" />
        <input
          ref={folder}
          type="file"
          hidden
          onChange={onChosen}
          data-testid="folder"
          {...({ webkitdirectory: '' } as Record<string, string>)}
        />
      </section>
      {error?.code === 'API_UNAUTHENTICATED' && <KeyForm onSaved={reload} />}
      {error && error.code !== 'API_UNAUTHENTICATED' && (
        <p role="alert" className="problem notice">
          {error.message}. {error.hint}
        </p>
      )}
      {failed > 0 && (
        <p className="notice bar">
          <span className="problem">{count(failed, 'document')} failed</span>
          <span className="actions">
            <button type="button" aria-pressed={filtered} onClick={() => setOnlyFailed(!filtered)}>
              Only these
            </button>
            <button
              type="button"
              onClick={() =>
                void attempt(async () => {
                  await api.retryAll();
                  await reload();
                })
              }
            >
              Retry all
            </button>
          </span>
        </p>
      )}
      {problem && (
        <p role="alert" className="problem notice">
          {problem.message}. {problem.hint}
        </p>
      )}
      {removed && (
        <p className="notice bar" role="status" key={removed.id}>
          <span>{removed.name} is deleted.</span>
          {/* The button that had the focus has gone with the document. */}
          <button type="button" ref={focus} onClick={() => void undo(removed.id)}>
            Undo
          </button>
        </p>
      )}
      {empty && <p className="quiet empty">Nothing here yet. What you add can be searched a moment later.</p>}
      <ul className="documents" aria-label="Documents">
        {items
          .filter((item) => item.error || item.share !== undefined)
          .map((item) => (
            <UploadRow
              key={`upload ${item.id}`}
              item={item}
              onRetry={() => retry(item)}
              onDismiss={() => dismiss(item)}
            />
          ))}
        {shown.map((item) => (
          <DocumentRow
            key={item.id}
            document={item}
            onOpen={() => setPlace({ documentId: item.id, name: item.name })}
            onRetry={() =>
              void attempt(async () => {
                await api.retry(item.id).finally(() => refresh(item.id));
              })
            }
            onRemove={() => void remove(item.id, item.name)}
          />
        ))}
      </ul>
      {next !== null && !filtered && (
        <button type="button" className="more" onClick={() => void load(next)}>
          Show older documents
        </button>
      )}
      {place && (
        <Source
          key={`${place.documentId} ${place.range}`}
          place={place}
          onClose={() => setPlace(undefined)}
        />
      )}
    </main>
  );
}

const focus = (element: HTMLElement | null) => element?.focus();

function KeyForm({ onSaved }: { onSaved: () => void }) {
  const [key, setKey] = useState(apiKey.get());
  return (
    <form
      className="notice bar"
      onSubmit={(event) => {
        event.preventDefault();
        apiKey.set(key.trim());
        onSaved();
      }}
    >
      <label>
        API key <input type="password" value={key} onChange={(event) => setKey(event.target.value)} />
      </label>
      <button type="submit">Use</button>
    </form>
  );
}

function summary(all: number, working: number): string {
  return [count(all, 'document'), ...(working > 0 ? [`${working} in work`] : [])].join(', ');
}
