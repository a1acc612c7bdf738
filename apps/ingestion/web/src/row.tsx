import type { DocumentItem } from './api.ts';
import type { UploadItem } from './uploads.ts';

/** The stages of the worker, in words. */
const stages: Readonly<Record<string, string>> = {
  read: 'reading',
  detect: 'looking at it',
  extract: 'reading',
  chunk: 'cutting',
  embed: 'embedding',
};

export interface DocumentRowProps {
  readonly document: DocumentItem;
  readonly onOpen: () => void;
  readonly onRetry: () => void;
  readonly onRemove: () => void;
}

export function DocumentRow({ document: item, onOpen, onRetry, onRemove }: DocumentRowProps) {
  const { latest } = item;
  const working = latest.status === 'queued' || latest.status === 'processing';
  return (
    <li data-status={latest.status}>
      <span className="name">
        <button type="button" className="link" disabled={item.currentVersion === null} onClick={onOpen}>
          {item.name}
        </button>
      </span>
      <span className="state">
        {latest.status === 'ready' && <span className="quiet">{summary(item)}</span>}
        {latest.status === 'queued' &&
          (latest.error ? `waiting to try again: ${latest.error.message}` : 'waiting')}
        {latest.status === 'processing' && (stages[latest.stage ?? ''] ?? 'working')}
        {latest.error && latest.status === 'failed' && (
          <span className="problem">
            {latest.error.message}. {latest.error.hint} <code>{latest.error.code}</code>
          </span>
        )}
        {working && (
          <progress
            aria-label={`Progress of ${item.name}`}
            {...(latest.total ? { value: latest.done ?? 0, max: latest.total } : {})}
          />
        )}
      </span>
      <span className="actions">
        {latest.status === 'failed' && (
          <button type="button" onClick={onRetry} aria-label={`Retry ${item.name}`}>
            Retry
          </button>
        )}
        <button type="button" onClick={onRemove} aria-label={`Delete ${item.name}`}>
          Delete
        </button>
      </span>
    </li>
  );
}

export function UploadRow({ item, onRetry }: { item: UploadItem; onRetry: () => void }) {
  return (
    <li data-status={item.error ? 'failed' : 'uploading'}>
      <span className="name">{item.name}</span>
      <span className="state">
        {item.error ? (
          <span className="problem">
            {item.error.message}. {item.error.hint} <code>{item.error.code}</code>
          </span>
        ) : (
          <>
            sending
            <progress aria-label={`Sending ${item.name}`} value={item.share} max={1} />
          </>
        )}
      </span>
      <span className="actions">
        {item.error && (
          <button type="button" onClick={onRetry} aria-label={`Retry ${item.name}`}>
            Retry
          </button>
        )}
      </span>
    </li>
  );
}

function summary({ latest }: DocumentItem): string {
  const parts = [
    latest.format,
    size(latest.bytes),
    latest.chunks === 0 ? 'no text' : `${latest.chunks} passages`,
  ];
  if (latest.pages) parts.splice(2, 0, `${latest.pages} pages`);
  return parts.filter(Boolean).join(' · ');
}

function size(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  const units = ['kB', 'MB', 'GB'];
  let value = bytes / 1000;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}
