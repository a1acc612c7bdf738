import { useCallback, useEffect, useRef, useState } from 'react';
import { ApiError, api, download } from './api.ts';

export interface Place {
  readonly documentId: string;
  readonly name: string;
  /** Page, sheet or headings, in words. */
  readonly where?: string;
  /** What to mark and scroll to; the beginning where absent. */
  readonly range?: readonly [start: number, end: number];
}

/** How much of a long text is shown around the place, and added by each of the buttons, in UTF-16 code units. */
const STEP = 100_000;

interface Part {
  readonly text: string;
  readonly start: number;
  /** Of the whole text. */
  readonly length: number;
}

/** The extracted text of a document, open at a place. */
export function Source({ place, onClose }: { place: Place; onClose: () => void }) {
  const { documentId, name, where, range } = place;
  const [start, end] = range ?? [0, 0];
  const dialog = useRef<HTMLDialogElement>(null);
  const mark = useRef<HTMLElement>(null);
  const [part, setPart] = useState<Part>();
  const [error, setError] = useState<ApiError>();

  const fail = useCallback(
    (failure: unknown) => setError(failure instanceof ApiError ? failure : new ApiError({})),
    [],
  );
  const load = useCallback(
    (from: number, to: number) => api.text(documentId, Math.max(0, from), to).then(setPart, fail),
    [documentId, fail],
  );
  useEffect(() => {
    dialog.current?.showModal();
    void load(start - STEP, end + STEP);
  }, [load, start, end]);

  const loaded = part !== undefined;
  useEffect(() => {
    if (loaded) mark.current?.scrollIntoView({ block: 'center' });
  }, [loaded]);

  const last = part ? part.start + part.text.length : 0;
  const cut = (from: number, to: number) => part?.text.slice(from - part.start, to - part.start);
  return (
    <dialog ref={dialog} onClose={onClose} aria-label={name}>
      <header>
        <div>
          <h2>{name}</h2>
          {where && <p className="quiet">{where}</p>}
        </div>
        <div className="actions">
          <button type="button" onClick={() => void download(documentId, name).catch(fail)}>
            Original
          </button>
          <button type="button" onClick={() => dialog.current?.close()}>
            Close
          </button>
        </div>
      </header>
      {error && (
        <p role="alert" className="problem notice">
          {error.message}. {error.hint}
        </p>
      )}
      {!part && !error && <p className="quiet notice">Loading…</p>}
      {part && (
        <>
          {part.start > 0 && (
            <button type="button" className="more" onClick={() => void load(part.start - STEP, last)}>
              Show what comes before
            </button>
          )}
          {part.length === 0 && <p className="quiet notice">There is no text in this document.</p>}
          <pre>
            {cut(part.start, Math.max(start, part.start))}
            {range && <mark ref={mark}>{cut(start, end)}</mark>}
            {cut(Math.max(end, part.start), last)}
          </pre>
          {last < part.length && (
            <button type="button" className="more" onClick={() => void load(part.start, last + STEP)}>
              Show more
            </button>
          )}
        </>
      )}
    </dialog>
  );
}
