import { useQuery } from 'convex/react';
import { diffLines } from 'diff';
import { useState } from 'react';
import { highlight } from 'sugar-high';
import { api } from '../../convex/_generated/api';
import type { Doc, Id } from '../../convex/_generated/dataModel';
import { stepName } from './format.ts';

type Version = Doc<'artifacts'>;

export function Files({ workflowId }: { workflowId: Id<'workflows'> }) {
  const versions = useQuery(api.artifacts.list, { workflowId });
  const [path, setPath] = useState<string>();
  if (versions === undefined || versions.length === 0) return null;
  const paths = [...new Set(versions.map((version) => version.path))].sort();
  const shown = path !== undefined && paths.includes(path) ? path : paths[0];
  return (
    <section aria-label="Files">
      <h3>Files</h3>
      <div className="row">
        {paths.map((candidate) => (
          <button
            key={candidate}
            type="button"
            className="file"
            aria-pressed={candidate === shown}
            onClick={() => setPath(candidate)}
          >
            {candidate}
          </button>
        ))}
      </div>
      {shown && <FileView key={shown} versions={versions.filter((version) => version.path === shown)} />}
    </section>
  );
}

function FileView({ versions }: { versions: Version[] }) {
  const [changes, setChanges] = useState(false);
  const latest = versions.at(-1);
  const before = versions.at(-2);
  if (!latest) return null;
  return (
    <>
      <p className="facts">
        <span>
          version {latest.version}, {stepName(latest.step)}
        </span>
        {before && (
          <label>
            <input type="checkbox" checked={changes} onChange={(event) => setChanges(event.target.checked)} />{' '}
            show what changed
          </label>
        )}
      </p>
      {changes && before ? <Changes before={before.text} after={latest.text} /> : <Code text={latest.text} />}
    </>
  );
}

function Code({ text }: { text: string }) {
  // biome-ignore lint/security/noDangerouslySetInnerHtml: highlight() escapes the text and adds only spans
  return <pre className="code" dangerouslySetInnerHTML={{ __html: highlight(text) }} />;
}

function Changes({ before, after }: { before: string; after: string }) {
  const parts = diffLines(before, after);
  return (
    <pre className="code">
      <span className="lines">
        {parts.map((part, index) => {
          const sign = part.added ? '+' : part.removed ? '-' : ' ';
          const lines = part.value.replace(/\n$/, '').split('\n');
          const key = `${index}${sign}`;
          const content = lines.map((line) => `${sign} ${line}\n`).join('');
          if (part.added) return <ins key={key}>{content}</ins>;
          if (part.removed) return <del key={key}>{content}</del>;
          return <span key={key}>{content}</span>;
        })}
      </span>
    </pre>
  );
}
