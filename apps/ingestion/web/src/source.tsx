import { useEffect, useRef, useState } from 'react';
import { ApiError, api } from './api.ts';

export interface Place {
  readonly documentId: string;
  readonly name: string;
  /** What to mark and scroll to; the beginning where absent. */
  readonly range?: readonly [start: number, end: number];
}

/** The extracted text of a document, open at a place. */
export function Source({ place, onClose }: { place: Place; onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const mark = useRef<HTMLElement>(null);
  const [text, setText] = useState<string>();
  const [error, setError] = useState<ApiError>();

  useEffect(() => {
    dialog.current?.showModal();
    api.text(place.documentId).then(
      (found) => setText(found.text),
      (failure: unknown) => setError(failure instanceof ApiError ? failure : new ApiError({})),
    );
  }, [place.documentId]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: the mark is there once the text is
  useEffect(() => {
    mark.current?.scrollIntoView({ block: 'center' });
  }, [text]);

  const [start, end] = place.range ?? [0, 0];
  return (
    <dialog ref={dialog} onClose={onClose} aria-label={place.name}>
      <header>
        <h2>{place.name}</h2>
        <button type="button" onClick={() => dialog.current?.close()}>
          Close
        </button>
      </header>
      {error && <p role="alert">{error.message}</p>}
      {text === undefined && !error && <p className="quiet">Loading…</p>}
      {text !== undefined && (
        <pre>
          {text.slice(0, start)}
          <mark ref={mark}>{text.slice(start, end)}</mark>
          {text.slice(end)}
        </pre>
      )}
    </dialog>
  );
}
