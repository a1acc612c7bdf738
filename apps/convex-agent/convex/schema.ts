import { defineSchema, defineTable } from 'convex/server';
import { v } from 'convex/values';

export const workflowStatus = v.union(
  v.literal('pending'),
  v.literal('running'),
  v.literal('completed'),
  v.literal('failed'),
  v.literal('cancelled'),
);

export const sessionStatus = v.union(
  v.literal('running'),
  v.literal('completed'),
  v.literal('failed'),
  v.literal('cancelled'),
);

export const agentType = v.union(v.literal('planner'), v.literal('coder'), v.literal('reviewer'));

/** US dollars and tokens; no `costUsd` where the price is not known. */
export const usage = v.object({
  inputTokens: v.number(),
  outputTokens: v.number(),
  costUsd: v.optional(v.number()),
});

export default defineSchema({
  workflows: defineTable({
    task: v.string(),
    status: workflowStatus,
    /** The key of the step at work: `planner`, `coder-1`, `reviewer-1`, ... */
    currentStep: v.optional(v.string()),
    /** Paths of the files that the workflow made; their text is in `artifacts`. */
    artifacts: v.array(v.string()),
    error: v.optional(v.string()),
    /** What does the work, and whether it only plays a recording. */
    model: v.optional(v.object({ name: v.string(), scripted: v.boolean() })),
    usage,
    /** Who works on it. `token` grows with every claim, so that a runner that lost the lease cannot write. */
    lease: v.optional(v.object({ runner: v.string(), token: v.number(), expiresAt: v.number() })),
    /** Claims so far; also the source of lease tokens. */
    claims: v.number(),
    /** Passing failures since a step was last completed. */
    failures: v.optional(v.number()),
    /** Runners that fell silent over it since a step was last completed. */
    abandoned: v.optional(v.number()),
    /** Set when a claim may not happen before this time (milliseconds): the wait after a passing failure. */
    notBefore: v.optional(v.number()),
    metadata: v.object({ createdAt: v.number(), updatedAt: v.number() }),
  })
    .index('by_status', ['status'])
    .index('by_lease', ['status', 'lease.expiresAt']),

  agentSessions: defineTable({
    agentType,
    status: sessionStatus,
    /** The model's own name for the conversation; empty until it is known. */
    sessionId: v.string(),
    /** The step's key; one step has one completed session at the most. */
    step: v.string(),
    input: v.string(),
    /** The step's typed result, as JSON text. */
    output: v.optional(v.string()),
    error: v.optional(v.string()),
    usage: v.optional(usage),
    metadata: v.object({
      workflowId: v.id('workflows'),
      startedAt: v.number(),
      completedAt: v.optional(v.number()),
    }),
  })
    .index('by_workflow', ['metadata.workflowId'])
    .index('by_status', ['status'])
    .index('by_step', ['metadata.workflowId', 'step', 'status']),

  /** What an agent says while it works, in pieces, so that watching it does not rewrite the session. */
  sessionText: defineTable({ session: v.id('agentSessions'), index: v.number(), text: v.string() }).index(
    'by_session',
    ['session', 'index'],
  ),

  /** Every version of every file; the highest `version` of a path is the current one. */
  artifacts: defineTable({
    workflowId: v.id('workflows'),
    path: v.string(),
    version: v.number(),
    step: v.string(),
    text: v.string(),
  })
    .index('by_workflow', ['workflowId'])
    .index('by_path', ['workflowId', 'path', 'version']),
});
