import { useMutation } from 'convex/react';
import { ConvexError } from 'convex/values';
import { type FormEvent, type KeyboardEvent, useState } from 'react';
import { api } from '../../convex/_generated/api';

const example = 'Write a typed CRUD module with its test for the table "room" of the school schema.';

export function TaskForm() {
  const create = useMutation(api.workflows.create);
  const [task, setTask] = useState('');
  const [problem, setProblem] = useState<string>();
  const [sending, setSending] = useState(false);

  async function submit(event?: FormEvent) {
    event?.preventDefault();
    setSending(true);
    setProblem(undefined);
    try {
      const id = await create({ task });
      setTask('');
      location.hash = `#/workflow/${id}`;
    } catch (error) {
      setProblem(error instanceof ConvexError ? (error.data as { message: string }).message : String(error));
    } finally {
      setSending(false);
    }
  }

  function keys(event: KeyboardEvent) {
    if (event.key === 'Enter' && (event.metaKey || event.ctrlKey)) void submit();
  }

  return (
    <form className="task" onSubmit={submit}>
      <label htmlFor="task">What is to be done?</label>
      <textarea
        id="task"
        rows={3}
        value={task}
        placeholder={example}
        aria-describedby={problem ? 'task-problem' : 'task-help'}
        aria-invalid={problem !== undefined}
        onChange={(event) => setTask(event.target.value)}
        onKeyDown={keys}
      />
      {problem && (
        <p id="task-problem" className="problem" role="alert">
          {problem}
        </p>
      )}
      <div className="row">
        <button type="submit" className="primary" disabled={sending}>
          {sending ? 'Adding…' : 'Start workflow'}
        </button>
        <button type="button" onClick={() => setTask(example)}>
          Use the example
        </button>
        <small id="task-help">Ctrl+Enter starts it</small>
      </div>
    </form>
  );
}
