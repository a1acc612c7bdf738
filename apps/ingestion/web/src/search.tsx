import { useEffect, useRef, useState } from 'react';
import { ApiError, api, type Hit } from './api.ts';
import { count, placeOf } from './format.ts';
import { Marked } from './marked.tsx';

export interface SearchProps {
  readonly onOpen: (hit: Hit) => void;
}

/** Searches while one types. Arrow keys move through the hits, Enter opens one. */
export function Search({ onOpen }: SearchProps) {
  const [query, setQuery] = useState('');
  const [result, setResult] = useState<{ query: string; hits: Hit[]; tookMs: number }>();
  const [error, setError] = useState<ApiError>();
  const [selected, setSelected] = useState(0);
  const input = useRef<HTMLInputElement>(null);
  const list = useRef<HTMLOListElement>(null);
  const asked = query.trim();

  useEffect(() => {
    if (asked === '') {
      setResult(undefined);
      setError(undefined);
      return;
    }
    const aborter = new AbortController();
    const timer = setTimeout(() => {
      api.search(asked, aborter.signal).then(
        ({ hits, tookMs }) => {
          setResult({ query: asked, hits, tookMs });
          setSelected(0);
          setError(undefined);
        },
        (failure: unknown) => {
          if (!aborter.signal.aborted) setError(failure instanceof ApiError ? failure : new ApiError({}));
        },
      );
    }, 150);
    return () => {
      clearTimeout(timer);
      aborter.abort();
    };
  }, [asked]);

  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const typing = event.target instanceof HTMLElement && /^(INPUT|TEXTAREA)$/.test(event.target.tagName);
      if (event.key !== '/' || typing || document.querySelector('dialog[open]')) return;
      event.preventDefault();
      input.current?.focus();
    };
    document.addEventListener('keydown', onKey);
    return () => document.removeEventListener('keydown', onKey);
  }, []);

  function onKeyDown(event: React.KeyboardEvent) {
    const hits = result?.hits ?? [];
    if (event.key === 'Escape') setQuery('');
    if (event.key === 'Enter' && hits[selected]) {
      // Otherwise the same key would press the button that has the focus next.
      event.preventDefault();
      onOpen(hits[selected]);
    }
    const step = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0;
    if (step === 0 || hits.length === 0) return;
    event.preventDefault();
    const next = Math.max(0, Math.min(hits.length - 1, selected + step));
    setSelected(next);
    list.current?.children[next]?.scrollIntoView({ block: 'nearest' });
  }

  return (
    <section aria-label="Search" className="search">
      <input
        ref={input}
        type="search"
        placeholder="Search all documents"
        aria-label="Search all documents"
        value={query}
        onChange={(event) => setQuery(event.target.value)}
        onKeyDown={onKeyDown}
      />
      {error && (
        <p role="alert" className="problem">
          {error.message}. {error.hint}
        </p>
      )}
      {result && asked !== '' && (
        <>
          <p className="quiet" role="status">
            {result.hits.length === 0 ? 'Nothing found' : count(result.hits.length, 'passage')} in{' '}
            {result.tookMs} ms
          </p>
          <ol className="hits" ref={list}>
            {result.hits.map((hit, index) => (
              <li key={hit.chunkId} aria-current={index === selected}>
                <button type="button" onClick={() => onOpen(hit)}>
                  <span className="place">
                    <strong>{hit.title ?? hit.name}</strong>
                    {[hit.title && hit.name, placeOf(hit)].filter(Boolean).join(' › ')}
                  </span>
                  <span className="passage">
                    <Excerpt hit={hit} />
                  </span>
                </button>
              </li>
            ))}
          </ol>
        </>
      )}
    </section>
  );
}

/** The passage from shortly before its first match on; the lines that follow are cut off by the style. */
function Excerpt({ hit: { text, highlights } }: { hit: Hit }) {
  const first = highlights[0]?.[0] ?? 0;
  const from = first > 240 ? text.indexOf(' ', first - 120) + 1 : 0;
  const ranges = highlights.map(([start, end]) => [start - from, end - from] as const);
  return (
    <>
      {from > 0 && '… '}
      <Marked text={text.slice(from)} ranges={ranges} />
    </>
  );
}
