import type { DocumentItem } from './api.ts';
import { count, size } from './format.ts';
import type { UploadItem } from './uploads.ts';

/** The stages of the worker, in words. */
const stages: Readonly<Record<string, string>> = {
  read: 'Reading',
  detect: 'Reading',
  extract: 'Reading',
  chunk: 'Cutting into passages',
  embed: 'Embedding',
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
      <Badge name={item.name} format={latest.format} />
      <div className="about">
        {item.currentVersion === null ? (
          <Name of={item.name} />
        ) : (
          <button type="button" className="link" onClick={onOpen}>
            <Name of={item.name} />
          </button>
        )}
        <p className={latest.error ? 'problem' : 'quiet'}>{describe(item)}</p>
        {latest.error && latest.status === 'failed' && (
          <p className="quiet">
            {latest.error.hint} <code>{latest.error.code}</code>
          </p>
        )}
        {working && (
          <progress
            aria-label={`Progress of ${item.name}`}
            {...(latest.total ? { value: latest.done ?? 0, max: latest.total } : {})}
          />
        )}
      </div>
      <div className="actions">
        {latest.status === 'failed' && (
          <button type="button" onClick={onRetry} aria-label={`Retry ${item.name}`}>
            Retry
          </button>
        )}
        <button type="button" className="plain" onClick={onRemove} aria-label={`Delete ${item.name}`}>
          Delete
        </button>
      </div>
    </li>
  );
}

export interface UploadRowProps {
  readonly item: UploadItem;
  readonly onRetry: () => void;
  readonly onDismiss: () => void;
}

export function UploadRow({ item, onRetry, onDismiss }: UploadRowProps) {
  const { error, file, name, share } = item;
  return (
    <li data-status={error ? 'failed' : 'uploading'}>
      <Badge name={name} format={null} />
      <div className="about">
        <Name of={name} />
        {error ? (
          <>
            <p className="problem">{error.message}</p>
            <p className="quiet">
              {error.hint} <code>{error.code}</code>
            </p>
          </>
        ) : (
          <>
            <p className="quiet">Sending {size(file?.size ?? 0)}</p>
            <progress aria-label={`Sending ${name}`} value={share} max={1} />
          </>
        )}
      </div>
      <div className="actions">
        {error && file && (
          <button type="button" onClick={onRetry} aria-label={`Retry ${name}`}>
            Retry
          </button>
        )}
        {error && (
          <button type="button" className="plain" onClick={onDismiss} aria-label={`Dismiss ${name}`}>
            Dismiss
          </button>
        )}
      </div>
    </li>
  );
}

/** The folders of a path are quieter than what the file is called. */
function Name({ of }: { of: string }) {
  const slash = of.lastIndexOf('/') + 1;
  return (
    <span className="name" title={of}>
      {slash > 0 && <span className="quiet">{of.slice(0, slash)}</span>}
      {of.slice(slash)}
    </span>
  );
}

function Badge({ name, format }: { name: string; format: string | null }) {
  const extension = /\.([a-z0-9]{1,5})$/i.exec(name)?.[1];
  return (
    <span className="badge" aria-hidden="true">
      {extension ?? format?.slice(0, 5) ?? 'file'}
    </span>
  );
}

function describe({ latest }: DocumentItem): string {
  const { status, stage, done, total, error } = latest;
  if (status === 'failed') return error?.message ?? 'Failed';
  if (status === 'queued') return error ? `${error.message}; it is tried again by itself` : 'Waiting';
  if (status === 'processing') {
    const what = stages[stage ?? ''] ?? 'In work';
    return total ? `${what}, ${done ?? 0} of ${total}` : what;
  }
  const parts = [size(latest.bytes)];
  if (latest.pages)
    parts.push(
      count(latest.pages, latest.format === 'pptx' ? 'slide' : latest.format === 'xlsx' ? 'sheet' : 'page'),
    );
  parts.push(latest.chunks ? count(latest.chunks, 'passage') : 'no text');
  return parts.join(' · ');
}
