import { useMutation, useQuery } from 'convex/react';
import { ConvexError } from 'convex/values';
import { useEffect, useLayoutEffect, useRef, useState } from 'react';
import { api } from '../../convex/_generated/api';
import type { Doc, Id } from '../../convex/_generated/dataModel';
import { Failure } from './failure.tsx';
import { Files } from './files.tsx';
import { amount, span, stepName, useNow } from './format.ts';

export function WorkflowDetail({ id }: { id: string }) {
  const workflow = useQuery(api.workflows.get, { id: id as Id<'workflows'> });
  const heading = useRef<HTMLHeadingElement>(null);
  const loaded = workflow !== undefined;
  useEffect(() => {
    if (loaded) heading.current?.focus();
  }, [loaded]);

  if (workflow === undefined) {
    return (
      <div className="detail">
        <div className="row">
          <output className="quiet">Loading the workflow…</output>
          <Close />
        </div>
      </div>
    );
  }
  if (workflow === null) {
    return <Failure title="There is no such workflow" text="It may have been deleted." back />;
  }
  return (
    <article className="detail" aria-labelledby="detail-title">
      <div className="row">
        <h2 id="detail-title" className="clamped" ref={heading} tabIndex={-1}>
          {workflow.task}
        </h2>
        <Close />
      </div>
      {isLong(workflow.task) && (
        <details className="whole">
          <summary>The whole task</summary>
          <p className="says">{workflow.task}</p>
        </details>
      )}
      <Status workflow={workflow} />
      <Sessions workflow={workflow} />
      <Files workflowId={workflow._id} />
    </article>
  );
}

/** Whether a heading may not show all of it. */
function isLong(task: string): boolean {
  return task.length > 150 || task.includes('\n');
}

function Close() {
  return (
    <a href="#/" aria-label="Close this workflow" className="close">
      ✕
    </a>
  );
}

function Status({ workflow }: { workflow: Doc<'workflows'> }) {
  const now = useNow();
  const { createdAt, updatedAt } = workflow.metadata;
  const active = workflow.status === 'pending' || workflow.status === 'running';
  return (
    <div className="status">
      <output aria-live="polite">
        <span className={`badge ${workflow.status}`}>{workflow.status}</span>
        {workflow.currentStep && ` ${stepName(workflow.currentStep)}`}
      </output>
      <span>{span((active ? now : updatedAt) - createdAt)}</span>
      <span>{amount(workflow.usage)}</span>
      {workflow.model && (
        <span className={workflow.model.scripted ? 'badge scripted' : ''}>{workflow.model.name}</span>
      )}
      <Actions workflow={workflow} />
      {workflow.model?.scripted && (
        <p className="note">
          A scripted model plays a recording, whatever the task says. Set ANTHROPIC_API_KEY in .env for real
          work.
        </p>
      )}
      {workflow.error && (
        <p className="problem" role="alert">
          {workflow.error}
        </p>
      )}
    </div>
  );
}

function Actions({ workflow }: { workflow: Doc<'workflows'> }) {
  const cancel = useMutation(api.workflows.cancel);
  const retry = useMutation(api.workflows.retry);
  const [problem, setProblem] = useState<string>();
  const act = (change: (args: { id: Id<'workflows'> }) => Promise<null>) => () => {
    setProblem(undefined);
    change({ id: workflow._id }).catch((error) => {
      setProblem(error instanceof ConvexError ? (error.data as { message: string }).message : String(error));
    });
  };
  return (
    <span className="row">
      {(workflow.status === 'pending' || workflow.status === 'running') && (
        <button type="button" onClick={act(cancel)}>
          Cancel
        </button>
      )}
      {(workflow.status === 'failed' || workflow.status === 'cancelled') && (
        <button type="button" onClick={act(retry)}>
          Retry
        </button>
      )}
      {problem && (
        <span className="problem" role="alert">
          {problem}
        </span>
      )}
    </span>
  );
}

function Sessions({ workflow }: { workflow: Doc<'workflows'> }) {
  const sessions = useQuery(api.agentSessions.list, { workflowId: workflow._id });
  if (sessions === undefined) return <p className="quiet">Loading the sessions…</p>;
  if (sessions.length === 0) return <p className="quiet">No agent has worked on it.</p>;
  return (
    <section aria-label="Sessions">
      <h3>Sessions</h3>
      <ol className="sessions">
        {sessions.map((session) => (
          <li key={session._id}>
            <SessionView session={session} />
          </li>
        ))}
      </ol>
    </section>
  );
}

function SessionView({ session }: { session: Doc<'agentSessions'> }) {
  const now = useNow();
  const text = useQuery(api.agentSessions.text, { id: session._id });
  const { startedAt, completedAt } = session.metadata;
  return (
    <details open={session.status === 'running'} className={`session ${session.status}`}>
      <summary>
        <span className={`badge ${session.status}`}>{session.status}</span>{' '}
        <strong>{stepName(session.step)}</strong>{' '}
        <span className="facts">
          <span>{span((completedAt ?? now) - startedAt)}</span>
          {session.usage && <span>{amount(session.usage)}</span>}
        </span>
      </summary>
      {session.status === 'running' ? <Speech text={text ?? ''} /> : <p className="says">{text}</p>}
      {session.output && <pre>{JSON.stringify(JSON.parse(session.output), null, 2)}</pre>}
      {session.error && <p className="problem">{session.error}</p>}
    </details>
  );
}

/** What an agent says at the moment: the newest words stay in sight, unless somebody scrolls back. */
function Speech({ text }: { text: string }) {
  const box = useRef<HTMLParagraphElement>(null);
  const follows = useRef(true);
  // biome-ignore lint/correctness/useExhaustiveDependencies: new words are what moves the end
  useLayoutEffect(() => {
    if (follows.current) box.current?.scrollTo({ top: box.current.scrollHeight });
  }, [text]);
  return (
    <p
      className="says live"
      ref={box}
      onScroll={({ currentTarget: { scrollTop, clientHeight, scrollHeight } }) => {
        follows.current = scrollTop + clientHeight >= scrollHeight - 4;
      }}
    >
      {text}
      <span className="caret" aria-hidden="true">
        ▍
      </span>
    </p>
  );
}
