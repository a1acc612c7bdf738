import { useCallback, useEffect, useRef, useState } from 'react';
import { api, apiKey, type Hit } from './api.ts';
import { useDocuments } from './documents.ts';
import { chosenFiles, droppedFiles } from './files.ts';
import { count, placeOf } from './format.ts';
import { DocumentRow, UploadRow } from './row.tsx';
import { Search } from './search.tsx';
import { type Place, Source } from './source.tsx';
import { useUploads } from './uploads.ts';

export function App() {
  const { documents, counts, next, load, connected, error, refresh, reload, forget } = useDocuments();
  const { items, add, retry } = useUploads(refresh);
  const [place, setPlace] = useState<Place>();
  const [removed, setRemoved] = useState<{ id: string; name: string }>();
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

  async function remove(id: string, name: string) {
    await api.remove(id).catch(() => undefined);
    forget(id);
    setRemoved({ id, name });
  }

  async function undo() {
    if (!removed) return;
    await api.restore(removed.id).catch(() => undefined);
    setRemoved(undefined);
    void refresh(removed.id);
  }

  function onChosen(event: React.ChangeEvent<HTMLInputElement>) {
    if (event.target.files) add(chosenFiles(event.target.files));
    event.target.value = '';
  }

  const { failed = 0, queued = 0, processing = 0 } = counts ?? {};
  const all = Object.values(counts ?? {}).reduce((sum, each) => sum + each, 0);
  const sending = items.filter(({ error: problem }) => !problem);
  const shown = onlyFailed ? documents.filter(({ latest }) => latest.status === 'failed') : documents;
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
            <button type="button" aria-pressed={onlyFailed} onClick={() => setOnlyFailed(!onlyFailed)}>
              Only these
            </button>
            <button type="button" onClick={() => void api.retryAll().then(reload, reload)}>
              Retry all
            </button>
          </span>
        </p>
      )}
      {removed && (
        <p className="notice bar" role="status">
          <span>{removed.name} is deleted.</span>
          <button type="button" onClick={undo}>
            Undo
          </button>
        </p>
      )}
      {empty && <p className="quiet empty">Nothing here yet. What you add can be searched a moment later.</p>}
      <ul className="documents" aria-label="Documents">
        {items
          .filter((item) => item.error || item.share !== undefined)
          .map((item) => (
            <UploadRow key={`upload ${item.id}`} item={item} onRetry={() => retry(item)} />
          ))}
        {shown.map((item) => (
          <DocumentRow
            key={item.id}
            document={item}
            onOpen={() => setPlace({ documentId: item.id, name: item.name })}
            onRetry={() =>
              void api.retry(item.id).then(
                () => refresh(item.id),
                () => refresh(item.id),
              )
            }
            onRemove={() => void remove(item.id, item.name)}
          />
        ))}
      </ul>
      {next !== null && !onlyFailed && (
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
