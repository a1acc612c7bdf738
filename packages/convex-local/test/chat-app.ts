/** A small app that the tests push. */
export const CHAT_APP = {
  'schema.ts': `
import { defineSchema, defineTable } from 'convex/server';
import { v } from 'convex/values';
export default defineSchema({
  messages: defineTable({ channel: v.string(), text: v.string() }).index('by_channel', ['channel']),
});
`,
  'messages.ts': `
import { actionGeneric as action, anyApi, internalQueryGeneric, mutationGeneric as mutation, queryGeneric as query } from 'convex/server';
import { ConvexError, v } from 'convex/values';

export const list = query({
  args: { channel: v.string() },
  handler: async (ctx, { channel }) => {
    console.log('listing', channel);
    return await ctx.db.query('messages').withIndex('by_channel', (q) => q.eq('channel', channel)).collect();
  },
});
export const send = mutation({
  args: { channel: v.string(), text: v.string() },
  handler: async (ctx, args) => await ctx.db.insert('messages', args),
});
export const sendTwice = action({
  args: { text: v.string() },
  handler: async (ctx, { text }) => {
    await ctx.runMutation(anyApi.messages.send, { channel: 'twice', text });
    await ctx.runMutation(anyApi.messages.send, { channel: 'twice', text });
    return (await ctx.runQuery(anyApi.messages.list, { channel: 'twice' })).length;
  },
});
export const fail = mutation({
  args: {},
  handler: async (ctx) => {
    await ctx.db.insert('messages', { channel: 'failed', text: 'never seen' });
    throw new ConvexError({ reason: 'on purpose' });
  },
});
export const me = query({ args: {}, handler: async (ctx) => await ctx.auth.getUserIdentity() });
export const secret = internalQueryGeneric({ args: {}, handler: async () => 'hidden' });
`,
} as const;
