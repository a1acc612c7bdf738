import type { Doc } from '../../convex/_generated/dataModel.js';

/** A workflow in one line: id, status, step, tokens, and the beginning of its task. */
export function line(workflow: Doc<'workflows'>): string {
  const { inputTokens, outputTokens, costUsd } = workflow.usage;
  const tokens = `${inputTokens + outputTokens} tokens${costUsd === undefined ? '' : `, $${costUsd.toFixed(4)}`}`;
  const label = workflow.model?.scripted ? 'scripted' : tokens;
  const [task = ''] = workflow.task.split('\n');
  const step = workflow.currentStep ?? '-';
  const parts = [
    workflow._id,
    workflow.status.padEnd(9),
    step.padEnd(11),
    label.padEnd(18),
    task.slice(0, 60),
  ];
  return parts.join('  ').trimEnd();
}
