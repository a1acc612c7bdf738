import { v } from 'convex/values';
import { query } from './_generated/server';

/** Every version of every file of a workflow, oldest first. */
export const list = query({
  args: { workflowId: v.id('workflows') },
  handler: (ctx, { workflowId }) =>
    ctx.db
      .query('artifacts')
      .withIndex('by_workflow', (q) => q.eq('workflowId', workflowId))
      .collect(),
});
