import { paginationOptsValidator } from 'convex/server';
import { ConvexError, v } from 'convex/values';
import type { Doc, Id } from './_generated/dataModel';
import { type MutationCtx, mutation, type QueryCtx, query } from './_generated/server';
import { workflowStatus } from './schema';
import { checkSession, checkWorkflow } from './transitions';

const longestTask = 20_000;

/** Adds a workflow; a runner takes it up. */
export const create = mutation({
  args: { task: v.string() },
  returns: v.id('workflows'),
  handler: async (ctx, { task }) => {
    const text = task.trim();
    if (text === '') throw new ConvexError({ code: 'TASK_EMPTY', message: 'Say what is to be done.' });
    if (text.length > longestTask) {
      throw new ConvexError({
        code: 'TASK_TOO_LONG',
        message: `A task has ${longestTask} characters at most; this one has ${text.length}.`,
      });
    }
    const now = Date.now();
    return await ctx.db.insert('workflows', {
      task: text,
      status: 'pending',
      artifacts: [],
      usage: { inputTokens: 0, outputTokens: 0 },
      claims: 0,
      metadata: { createdAt: now, updatedAt: now },
    });
  },
});

export const get = query({
  args: { id: v.id('workflows') },
  handler: (ctx, { id }) => ctx.db.get(id),
});

/** The newest first; of one status, or of all. */
export const list = query({
  args: { status: v.optional(workflowStatus), paginationOpts: paginationOptsValidator },
  handler: (ctx, { status, paginationOpts }) => {
    const rows =
      status === undefined
        ? ctx.db.query('workflows')
        : ctx.db.query('workflows').withIndex('by_status', (q) => q.eq('status', status));
    return rows.order('desc').paginate(paginationOpts);
  },
});

/** Stops a workflow that has not ended; its runner notices and ends the step at work. */
export const cancel = mutation({
  args: { id: v.id('workflows') },
  returns: v.null(),
  handler: async (ctx, { id }) => {
    const workflow = await existing(ctx, id);
    checkWorkflow(workflow.status, 'cancelled');
    await endSessions(ctx, id, 'cancelled', 'The workflow was cancelled.');
    await ctx.db.patch(id, {
      status: 'cancelled',
      currentStep: undefined,
      lease: undefined,
      metadata: { ...workflow.metadata, updatedAt: Date.now() },
    });
    return null;
  },
});

/** Puts a failed or cancelled workflow back in the queue; finished steps are kept. */
export const retry = mutation({
  args: { id: v.id('workflows') },
  returns: v.null(),
  handler: async (ctx, { id }) => {
    const workflow = await existing(ctx, id);
    checkWorkflow(workflow.status, 'pending');
    await ctx.db.patch(id, {
      status: 'pending',
      error: undefined,
      failures: undefined,
      abandoned: undefined,
      notBefore: undefined,
      metadata: { ...workflow.metadata, updatedAt: Date.now() },
    });
    return null;
  },
});

export async function existing(ctx: QueryCtx, id: Id<'workflows'>): Promise<Doc<'workflows'>> {
  const workflow = await ctx.db.get(id);
  if (!workflow) throw new ConvexError({ code: 'WORKFLOW_MISSING', message: `There is no workflow ${id}.` });
  return workflow;
}

/** Ends the sessions of a workflow that are still running. */
export async function endSessions(
  ctx: MutationCtx,
  id: Id<'workflows'>,
  status: 'failed' | 'cancelled',
  error: string,
): Promise<void> {
  const sessions = ctx.db
    .query('agentSessions')
    .withIndex('by_workflow', (q) => q.eq('metadata.workflowId', id));
  for await (const session of sessions) {
    if (session.status !== 'running') continue;
    checkSession(session.status, status);
    await ctx.db.patch(session._id, {
      status,
      error,
      metadata: { ...session.metadata, completedAt: Date.now() },
    });
  }
}
