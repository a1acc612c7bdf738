import { useCallback, useEffect, useRef, useState } from 'react';
import { api, apiKey, type Hit } from './api.ts';
import { useDocuments } from './documents.ts';
import { chosenFiles, droppedFiles } from './files.ts';
import { DocumentRow, UploadRow } from './row.tsx';
import { Search } from './search.tsx';
import { type Place, Source } from './source.tsx';
import { useUploads } from './uploads.ts';

export function App() {
  const { documents, connected, error, refresh, reload, forget } = useDocuments();
  const { items, add, retry } = useUploads(refresh);
  const [place, setPlace] = useState<Place>();
  const [removed, setRemoved] = useState<{ id: string; name: string }>();
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
    setPlace({ documentId: hit.documentId, name: hit.name, range: [hit.start, hit.end] });
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

  const working = documents.filter(
    ({ latest }) => latest.status === 'queued' || latest.status === 'processing',
  ).length;
  const failed = documents.filter(({ latest }) => latest.status === 'failed').length;

  return (
    <main data-over={over}>
      <header className="top">
        <h1>Documents</h1>
        <p role="status" className="quiet">
          {connected ? counts(documents.length, working + items.length, failed) : 'Reconnecting…'}
        </p>
      </header>
      <Search onOpen={openHit} />
      <section className="drop" aria-label="Add documents">
        <p>Drop files or folders anywhere on this page</p>
        <button type="button" onClick={() => files.current?.click()}>
          Choose files
        </button>{' '}
        <button type="button" onClick={() => folder.current?.click()}>
          Choose a folder
        </button>
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
        <p role="alert" className="problem">
          {error.message}. {error.hint}
        </p>
      )}
      {removed && (
        <p className="undo" role="status">
          {removed.name} is deleted.{' '}
          <button type="button" onClick={undo}>
            Undo
          </button>
        </p>
      )}
      <ul className="documents" aria-label="Documents">
        {items.map((item) => (
          <UploadRow key={`upload ${item.id}`} item={item} onRetry={() => retry(item)} />
        ))}
        {documents.map((item) => (
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
      onSubmit={(event) => {
        event.preventDefault();
        apiKey.set(key.trim());
        onSaved();
      }}
    >
      <label>
        API key <input type="password" value={key} onChange={(event) => setKey(event.target.value)} />
      </label>{' '}
      <button type="submit">Use</button>
    </form>
  );
}

function counts(all: number, working: number, failed: number): string {
  if (all + working === 0) return 'Nothing here yet';
  const parts = [`${all} ${all === 1 ? 'document' : 'documents'}`];
  if (working > 0) parts.push(`${working} in work`);
  if (failed > 0) parts.push(`${failed} failed`);
  return parts.join(', ');
}
