import { usePaginatedQuery } from 'convex/react';
import { api } from '../../convex/_generated/api';
import type { Doc } from '../../convex/_generated/dataModel';
import { ago, amount, stepName, useNow } from './format.ts';

type Workflow = Doc<'workflows'>;

const columns: { status: Workflow['status']; title: string }[] = [
  { status: 'pending', title: 'Waiting' },
  { status: 'running', title: 'At work' },
  { status: 'completed', title: 'Done' },
  { status: 'failed', title: 'Failed' },
  { status: 'cancelled', title: 'Cancelled' },
];

export function Board(props: { selected: string | undefined }) {
  const { results, status, loadMore } = usePaginatedQuery(api.workflows.list, {}, { initialNumItems: 50 });
  if (status === 'LoadingFirstPage') {
    return (
      <p className="quiet" role="status">
        Loading the workflows…
      </p>
    );
  }
  if (results.length === 0) {
    return (
      <div className="empty">
        <h2>No workflows yet</h2>
        <p>
          Describe a task above, or use the example. A planner, a coder and a reviewer work on it in turn.
        </p>
      </div>
    );
  }
  return (
    <>
      <div className="board">
        {columns.map((column) => (
          <Column
            key={column.status}
            title={column.title}
            selected={props.selected}
            workflows={results.filter((workflow) => workflow.status === column.status)}
          />
        ))}
      </div>
      {status === 'CanLoadMore' && (
        <button type="button" onClick={() => loadMore(50)}>
          Show older ones
        </button>
      )}
    </>
  );
}

function Column(props: { title: string; workflows: Workflow[]; selected: string | undefined }) {
  return (
    <section
      className={props.workflows.length === 0 ? 'column none' : 'column'}
      aria-label={`${props.title}, ${props.workflows.length}`}
    >
      <h2>
        {props.title} <span className="count">{props.workflows.length}</span>
      </h2>
      <ul>
        {props.workflows.map((workflow) => (
          <li key={workflow._id}>
            <Card workflow={workflow} selected={workflow._id === props.selected} />
          </li>
        ))}
      </ul>
    </section>
  );
}

function Card({ workflow, selected }: { workflow: Workflow; selected: boolean }) {
  const now = useNow();
  return (
    <a
      className={`card ${workflow.status}`}
      href={`#/workflow/${workflow._id}`}
      aria-current={selected ? 'true' : undefined}
    >
      <strong className="clamped">{workflow.task}</strong>
      <span className="facts">
        {workflow.currentStep && <span className="badge">{stepName(workflow.currentStep)}</span>}
        {workflow.model?.scripted && <span className="badge scripted">scripted</span>}
        <span>{ago(workflow.metadata.createdAt, now)}</span>
        <span>{amount(workflow.usage)}</span>
      </span>
      {workflow.error && <small className="problem clamped">{workflow.error}</small>}
    </a>
  );
}
