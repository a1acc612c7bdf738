import type { z } from 'zod';
import type { Usage } from '../../convex/usage.ts';
import type { Model, Tool } from '../model/model.ts';
import {
  type AgentType,
  type Code,
  codePrompt,
  codeSchema,
  type Plan,
  planPrompt,
  planSchema,
  type Review,
  reviewPrompt,
  reviewSchema,
  systemPrompts,
} from './steps.ts';
import { readTools, writeTools } from './tools.ts';
import { fileTranscript } from './transcript.ts';
import type { Workspace } from './workspace.ts';

/** Where the state of one claimed workflow lives. Every call fails once the claim is lost. */
export interface Journal {
  /** The result of a step that has completed before, as JSON text. */
  finished(step: string): Promise<string | null>;
  begin(step: string, agentType: AgentType, input: string): Promise<Session>;
  /** Keeps the text of a file that the step wrote. */
  artifact(step: string, path: string, text: string): Promise<void>;
}

export interface Session {
  readonly id: string;
  /** The last session of the same step that came to nothing. */
  readonly previous: string | null;
  /** What the agent says, as it says it. Returns at once; the text goes out in larger pieces. */
  say(delta: string): void;
  complete(result: { sessionId: string; output: string; usage: Usage }): Promise<void>;
}

export interface WorkflowOptions {
  readonly task: string;
  readonly model: Model;
  readonly workspace: Workspace;
  readonly journal: Journal;
  readonly signal: AbortSignal;
  /** How often the coder may try before the workflow fails, and again after each retry of it. */
  readonly maxRounds: number;
}

/** The review still found blockers after the last round. */
class ReviewError extends Error {
  override readonly name = 'ReviewError';
  readonly code = 'REVIEW_NOT_PASSED';
  readonly hint =
    'Read review.json in the workspace, then retry the workflow for more rounds, or make the task clearer in a new one.';
}

interface Step<Result> {
  readonly key: string;
  readonly agentType: AgentType;
  readonly prompt: string;
  readonly result: z.ZodType<Result>;
  readonly check?: (result: Result) => Promise<string | undefined>;
  /** Where the result is kept as a file, for people and for later steps. */
  readonly file?: string;
}

/**
 * Plans, writes and reviews until the review approves. Steps that completed in an earlier run are not repeated.
 *
 * @throws ReviewError when the last round is not approved; ModelError when a step cannot be done
 */
export async function runWorkflow(options: WorkflowOptions): Promise<void> {
  const { task, maxRounds } = options;
  const { output: plan } = await runStep<Plan>(options, {
    key: 'planner',
    agentType: 'planner',
    prompt: planPrompt(task),
    result: planSchema,
    file: 'plan.json',
  });
  let review: Review | undefined;
  for (let round = 1; ; round++) {
    const { output: code } = await runStep<Code>(options, {
      key: `coder-${round}`,
      agentType: 'coder',
      prompt: codePrompt(task, plan, review),
      result: codeSchema,
      check: async ({ files }) => {
        const written = new Set(await options.workspace.list());
        const missing = files.filter((path) => !written.has(path));
        return missing.length === 0
          ? undefined
          : `These files are not in the workspace: ${missing.join(', ')}. Write them, or leave them out.`;
      },
    });
    const reviewed = await runStep<Review>(options, {
      key: `reviewer-${round}`,
      agentType: 'reviewer',
      prompt: reviewPrompt(task, plan, code),
      result: reviewSchema,
      file: 'review.json',
    });
    review = reviewed.output;
    if (review.approved) return;
    // A last round of an earlier run ended that run; a retry has rounds of its own.
    if (round % maxRounds === 0 && !reviewed.earlier) {
      const blockers = review.findings.filter((finding) => finding.severity === 'blocker').length;
      throw new ReviewError(
        `The review did not approve after ${round} rounds: ${blockers} blockers are left.`,
      );
    }
  }
}

/** The result of a step, and whether an earlier run made it. */
async function runStep<Result>(
  options: WorkflowOptions,
  step: Step<Result>,
): Promise<{ output: Result; earlier: boolean }> {
  const { journal, model, workspace, signal } = options;
  signal.throwIfAborted();
  const earlier = await journal.finished(step.key);
  if (earlier !== null) return { output: step.result.parse(JSON.parse(earlier)), earlier: true };

  const session = await journal.begin(step.key, step.agentType, step.prompt);
  const keep = async (path: string) => journal.artifact(step.key, path, await workspace.read(path));
  const tools: Tool[] = readTools(workspace);
  if (step.agentType === 'coder') tools.push(...writeTools(workspace, keep));
  const { output, sessionId, usage } = await model.run({
    step: step.key,
    system: systemPrompts[step.agentType],
    prompt: step.prompt,
    tools,
    result: step.result,
    check: step.check ?? (async () => undefined),
    signal,
    onText: (delta) => session.say(delta),
    transcript: fileTranscript(workspace, step.key, session),
  });
  if (step.file) {
    await workspace.write(step.file, `${JSON.stringify(output, null, 2)}\n`);
    await keep(step.file);
  }
  await session.complete({ sessionId, output: JSON.stringify(output), usage });
  return { output, earlier: false };
}
