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

/** Workflows of a column, and how many more are asked for at a time. */
const pageSize = 25;

/** Each column asks for its own, so that new tasks do not push out of sight what is at work. */
export function Board(props: { selected: string | undefined }) {
  const pending = useColumn('pending');
  const running = useColumn('running');
  const completed = useColumn('completed');
  const failed = useColumn('failed');
  const cancelled = useColumn('cancelled');
  const lists = { pending, running, completed, failed, cancelled };
  const all = Object.values(lists);
  if (all.some(({ status }) => status === 'LoadingFirstPage')) {
    return (
      <p className="quiet" role="status">
        Loading the workflows…
      </p>
    );
  }
  if (all.every(({ results }) => results.length === 0)) {
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
    <div className="board">
      {columns.map(({ status, title }) => (
        <Column key={status} title={title} selected={props.selected} list={lists[status]} />
      ))}
    </div>
  );
}

function useColumn(status: Workflow['status']) {
  return usePaginatedQuery(api.workflows.list, { status }, { initialNumItems: pageSize });
}

function Column(props: { title: string; list: ReturnType<typeof useColumn>; selected: string | undefined }) {
  const { results, status, loadMore } = props.list;
  const count = `${results.length}${status === 'Exhausted' ? '' : '+'}`;
  return (
    <section
      className={results.length === 0 ? 'column none' : 'column'}
      aria-label={`${props.title}, ${count}`}
    >
      <h2>
        {props.title} <span className="count">{count}</span>
      </h2>
      <ul>
        {results.map((workflow) => (
          <li key={workflow._id}>
            <Card workflow={workflow} selected={workflow._id === props.selected} />
          </li>
        ))}
      </ul>
      {status === 'CanLoadMore' && (
        <button type="button" onClick={() => loadMore(pageSize)}>
          Show older ones
        </button>
      )}
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
