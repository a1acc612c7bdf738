/**
 * What runners call. Internal: it takes the admin key. Every write names the lease token that the claim returned and
 * is refused once another runner holds the lease, or nobody does.
 */
import { ConvexError, v } from 'convex/values';
import type { Doc, Id } from './_generated/dataModel';
import { internalMutation, internalQuery, type MutationCtx, type QueryCtx } from './_generated/server';
import { agentType, usage } from './schema';
import { checkSession, checkWorkflow } from './transitions';
import { addUsage } from './usage';
import { endSessions, existing } from './workflows';

const lease = { id: v.id('workflows'), token: v.number() };

/**
 * Takes the oldest workflow that waits, or one whose runner let its lease run out.
 *
 * @returns null when there is nothing to do
 */
export const claim = internalMutation({
  args: {
    runner: v.string(),
    leaseMs: v.number(),
    model: v.object({ name: v.string(), scripted: v.boolean() }),
  },
  handler: async (ctx, { runner, leaseMs, model }) => {
    const now = Date.now();
    const workflow = await next(ctx, now);
    if (!workflow) return null;
    checkWorkflow(workflow.status, 'running');
    await endSessions(
      ctx,
      workflow._id,
      'failed',
      'The runner of this session stopped; the step starts again.',
    );
    const token = workflow.claims + 1;
    await ctx.db.patch(workflow._id, {
      status: 'running',
      model,
      claims: token,
      lease: { runner, token, expiresAt: now + leaseMs },
      abandoned: workflow.status === 'running' ? (workflow.abandoned ?? 0) + 1 : workflow.abandoned,
      notBefore: undefined,
      metadata: { ...workflow.metadata, updatedAt: now },
    });
    return { id: workflow._id, task: workflow.task, token, failures: workflow.failures ?? 0 };
  },
});

/** Keeps the lease for another `leaseMs`. */
export const heartbeat = internalMutation({
  args: { ...lease, leaseMs: v.number() },
  returns: v.null(),
  handler: async (ctx, { id, token, leaseMs }) => {
    const workflow = await held(ctx, id, token);
    await ctx.db.patch(id, { lease: { ...workflow.lease, expiresAt: Date.now() + leaseMs } });
    return null;
  },
});

/** The stored result of a step, as JSON text, if one run of it has completed. */
export const finished = internalQuery({
  args: { id: v.id('workflows'), step: v.string() },
  returns: v.union(v.string(), v.null()),
  handler: async (ctx, { id, step }) => {
    const session = await ctx.db
      .query('agentSessions')
      .withIndex('by_step', (q) => q.eq('metadata.workflowId', id).eq('step', step).eq('status', 'completed'))
      .unique();
    return session?.output ?? null;
  },
});

/** Begins a step; `previous` is its last session that came to nothing. Repeating the call changes nothing. */
export const beginSession = internalMutation({
  args: { ...lease, step: v.string(), agentType, input: v.string() },
  returns: v.object({
    session: v.id('agentSessions'),
    previous: v.union(v.id('agentSessions'), v.null()),
  }),
  handler: async (ctx, { id, token, step, agentType, input }) => {
    const workflow = await held(ctx, id, token);
    const earlier = await ctx.db
      .query('agentSessions')
      .withIndex('by_workflow', (q) => q.eq('metadata.workflowId', id))
      .filter((q) => q.eq(q.field('step'), step))
      .collect();
    const previous = earlier.findLast(({ status }) => status !== 'running')?._id ?? null;
    // A claim ends the sessions of the one before, so that one at work is this claim's own.
    const running = earlier.find(({ status }) => status === 'running');
    if (running) return { session: running._id, previous };
    const now = Date.now();
    await ctx.db.patch(id, { currentStep: step, metadata: { ...workflow.metadata, updatedAt: now } });
    const session = await ctx.db.insert('agentSessions', {
      agentType,
      step,
      input,
      status: 'running',
      sessionId: '',
      metadata: { workflowId: id, startedAt: now },
    });
    return { session, previous };
  },
});

/** Adds what the agent said since the last call. Repeating a call with the same `index` changes nothing. */
export const appendText = internalMutation({
  args: { ...lease, session: v.id('agentSessions'), index: v.number(), text: v.string() },
  returns: v.null(),
  handler: async (ctx, { id, token, session, index, text }) => {
    await held(ctx, id, token);
    const same = await ctx.db
      .query('sessionText')
      .withIndex('by_session', (q) => q.eq('session', session).eq('index', index))
      .unique();
    if (!same) await ctx.db.insert('sessionText', { session, index, text });
    return null;
  },
});

/** Keeps a file that the step wrote, as a new version where its text is new. */
export const putArtifact = internalMutation({
  args: { ...lease, step: v.string(), path: v.string(), text: v.string() },
  returns: v.null(),
  handler: async (ctx, { id, token, step, path, text }) => {
    const workflow = await held(ctx, id, token);
    const latest = await ctx.db
      .query('artifacts')
      .withIndex('by_path', (q) => q.eq('workflowId', id).eq('path', path))
      .order('desc')
      .first();
    if (latest?.text === text) return null;
    await ctx.db.insert('artifacts', {
      workflowId: id,
      step,
      path,
      text,
      version: (latest?.version ?? 0) + 1,
    });
    if (!latest) await ctx.db.patch(id, { artifacts: [...workflow.artifacts, path].sort() });
    return null;
  },
});

/** The step is done: its result is kept and never made again. Repeating the call changes nothing. */
export const completeSession = internalMutation({
  args: { ...lease, session: v.id('agentSessions'), sessionId: v.string(), output: v.string(), usage },
  returns: v.null(),
  handler: async (ctx, { id, token, session, sessionId, output, usage }) => {
    const workflow = await held(ctx, id, token);
    const row = await ctx.db.get(session);
    if (!row) throw new ConvexError({ code: 'SESSION_MISSING', message: `There is no session ${session}.` });
    if (row.status === 'completed' && row.output === output) return null;
    checkSession(row.status, 'completed');
    const now = Date.now();
    await ctx.db.patch(session, {
      status: 'completed',
      sessionId,
      output,
      usage,
      metadata: { ...row.metadata, completedAt: now },
    });
    await ctx.db.patch(id, {
      usage: addUsage(workflow.usage, usage),
      failures: undefined,
      abandoned: undefined,
      metadata: { ...workflow.metadata, updatedAt: now },
    });
    return null;
  },
});

/**
 * Ends the work of the lease: `completed`; `failed` for good; or `pending`, after a passing failure, to be claimed
 * again no earlier than `delayMs` from now.
 */
export const release = internalMutation({
  args: {
    ...lease,
    status: v.union(v.literal('completed'), v.literal('failed'), v.literal('pending')),
    error: v.optional(v.string()),
    delayMs: v.optional(v.number()),
  },
  returns: v.null(),
  handler: async (ctx, { id, token, status, error, delayMs }) => {
    const workflow = await held(ctx, id, token);
    checkWorkflow(workflow.status, status);
    const now = Date.now();
    await endSessions(ctx, id, 'failed', error ?? 'The runner stopped.');
    await ctx.db.patch(id, {
      status,
      error,
      currentStep: undefined,
      lease: undefined,
      failures: delayMs === undefined ? workflow.failures : (workflow.failures ?? 0) + 1,
      notBefore: delayMs === undefined ? undefined : now + delayMs,
      metadata: { ...workflow.metadata, updatedAt: now },
    });
    return null;
  },
});

/** After so many runners that fell silent in one step, the workflow is what ends them. */
const mostAbandoned = 10;

async function next(ctx: MutationCtx, now: number): Promise<Doc<'workflows'> | null> {
  for (;;) {
    const workflow = (await waiting(ctx, now)) ?? (await abandoned(ctx, now));
    if (workflow?.status !== 'running' || (workflow.abandoned ?? 0) < mostAbandoned) return workflow;
    const error = `${mostAbandoned + 1} runners stopped in the middle of ${workflow.currentStep ?? 'it'}.`;
    await endSessions(ctx, workflow._id, 'failed', error);
    await ctx.db.patch(workflow._id, {
      status: 'failed',
      error,
      currentStep: undefined,
      lease: undefined,
      metadata: { ...workflow.metadata, updatedAt: now },
    });
  }
}

async function waiting(ctx: QueryCtx, now: number): Promise<Doc<'workflows'> | undefined> {
  const rows = ctx.db.query('workflows').withIndex('by_status', (q) => q.eq('status', 'pending'));
  for await (const row of rows) {
    if (row.notBefore === undefined || row.notBefore <= now) return row;
  }
  return undefined;
}

function abandoned(ctx: QueryCtx, now: number): Promise<Doc<'workflows'> | null> {
  return ctx.db
    .query('workflows')
    .withIndex('by_lease', (q) => q.eq('status', 'running').lt('lease.expiresAt', now))
    .first();
}

async function held(
  ctx: QueryCtx | MutationCtx,
  id: Id<'workflows'>,
  token: number,
): Promise<Doc<'workflows'> & { lease: NonNullable<Doc<'workflows'>['lease']> }> {
  const workflow = await existing(ctx, id);
  const { lease, status } = workflow;
  if (status !== 'running' || lease?.token !== token) {
    const message = `The lease on workflow ${id} is lost: it is ${status}.`;
    throw new ConvexError({ code: 'LEASE_LOST', message });
  }
  return { ...workflow, lease };
}
