import { ConvexError, type Infer } from 'convex/values';
import type { sessionStatus, workflowStatus } from './schema';

type WorkflowStatus = Infer<typeof workflowStatus>;
type SessionStatus = Infer<typeof sessionStatus>;

const workflowTransitions: Record<WorkflowStatus, readonly WorkflowStatus[]> = {
  pending: ['running', 'cancelled'],
  running: ['running', 'pending', 'completed', 'failed', 'cancelled'], // running: another runner took it over
  completed: [],
  failed: ['pending'],
  cancelled: ['pending'],
};

const sessionTransitions: Record<SessionStatus, readonly SessionStatus[]> = {
  running: ['completed', 'failed', 'cancelled'],
  completed: [],
  failed: [],
  cancelled: [],
};

/** @throws ConvexError with code TRANSITION_REFUSED when a workflow may not go from one status to the other */
export function checkWorkflow(from: WorkflowStatus, to: WorkflowStatus): void {
  check('workflow', workflowTransitions, from, to);
}

/** @throws ConvexError with code TRANSITION_REFUSED when a session may not go from one status to the other */
export function checkSession(from: SessionStatus, to: SessionStatus): void {
  check('session', sessionTransitions, from, to);
}

function check<Status extends string>(
  what: string,
  table: Record<Status, readonly Status[]>,
  from: Status,
  to: Status,
): void {
  if (table[from].includes(to)) return;
  const allowed = table[from].join(', ') || 'nothing';
  throw new ConvexError({
    code: 'TRANSITION_REFUSED',
    message: `A ${what} that is ${from} cannot become ${to}; it can become ${allowed}.`,
  });
}
