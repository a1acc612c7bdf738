import { v } from 'convex/values';
import { query } from './_generated/server';

/** The sessions of a workflow, in the order in which they began. */
export const list = query({
  args: { workflowId: v.id('workflows') },
  handler: (ctx, { workflowId }) =>
    ctx.db
      .query('agentSessions')
      .withIndex('by_workflow', (q) => q.eq('metadata.workflowId', workflowId))
      .collect(),
});

export const get = query({
  args: { id: v.id('agentSessions') },
  handler: (ctx, { id }) => ctx.db.get(id),
});

/** What the agent of a session has said so far. */
export const text = query({
  args: { id: v.id('agentSessions') },
  returns: v.string(),
  handler: async (ctx, { id }) => {
    const pieces = await ctx.db
      .query('sessionText')
      .withIndex('by_session', (q) => q.eq('session', id))
      .collect();
    return pieces.map((piece) => piece.text).join('');
  },
});
