import { useConvexConnectionState } from 'convex/react';
import { useEffect, useState } from 'react';
import { Board } from './board.tsx';
import { FailureBoundary } from './failure.tsx';
import { TaskForm } from './task-form.tsx';
import { WorkflowDetail } from './workflow-detail.tsx';

export function App() {
  const selected = useSelected();
  return (
    <>
      <a className="skip" href="#board">
        Skip to the workflows
      </a>
      <header>
        <h1>Agents at work</h1>
        <Connection />
      </header>
      <main className={selected ? 'split' : ''}>
        <section aria-label="Workflows">
          <TaskForm />
          <div id="board" tabIndex={-1}>
            <FailureBoundary>
              <Board selected={selected} />
            </FailureBoundary>
          </div>
        </section>
        {selected && (
          <FailureBoundary resetKey={selected}>
            <WorkflowDetail id={selected} key={selected} />
          </FailureBoundary>
        )}
      </main>
    </>
  );
}

function Connection() {
  const { isWebSocketConnected, hasEverConnected } = useConvexConnectionState();
  const text = isWebSocketConnected
    ? 'live'
    : hasEverConnected
      ? 'connection lost, trying again'
      : 'connecting';
  return (
    <output className={isWebSocketConnected ? 'connection on' : 'connection'}>
      <span aria-hidden="true">●</span> {text}
    </output>
  );
}

/** The workflow that the address names: `#/workflow/<id>`. */
function useSelected(): string | undefined {
  const [selected, setSelected] = useState(selectedNow);
  useEffect(() => {
    const changed = () => {
      // A place on the page, such as the workflows after the form, leaves open what is open.
      if (location.hash === '' || location.hash.startsWith('#/')) setSelected(selectedNow());
    };
    addEventListener('hashchange', changed);
    return () => removeEventListener('hashchange', changed);
  }, []);
  return selected;
}

function selectedNow(): string | undefined {
  return /^#\/workflow\/(\w+)$/.exec(location.hash)?.[1];
}
