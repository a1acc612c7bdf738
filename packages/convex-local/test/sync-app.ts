/** A chat, for the tests that talk to it over the protocol and with the official clients. */
export const SYNC_APP = {
  'schema.ts': `
import { defineSchema, defineTable } from 'convex/server';
import { v } from 'convex/values';
export default defineSchema({ messages: defineTable({ channel: v.string(), text: v.string() }).index('by_channel', ['channel']) });
`,
  'chat.ts': `
import { actionGeneric as action, mutationGeneric as mutation, paginationOptsValidator, queryGeneric as query } from 'convex/server';
import { v } from 'convex/values';
export const list = query({ args: { channel: v.string() }, handler: async (ctx, { channel }) => (await ctx.db.query('messages').withIndex('by_channel', (q) => q.eq('channel', channel)).collect()).map(({ text }) => text) });
export const page = query({ args: { channel: v.string(), paginationOpts: paginationOptsValidator }, handler: async (ctx, { channel, paginationOpts }) => await ctx.db.query('messages').withIndex('by_channel', (q) => q.eq('channel', channel)).paginate(paginationOpts) });
export const count = query({ args: {}, handler: async (ctx) => (await ctx.db.query('messages').collect()).length });
export const send = mutation({ args: { channel: v.string(), text: v.string() }, handler: async (ctx, args) => await ctx.db.insert('messages', args) });
export const remove = mutation({ args: { channel: v.string(), text: v.string() }, handler: async (ctx, { channel, text }) => { for (const message of await ctx.db.query('messages').withIndex('by_channel', (q) => q.eq('channel', channel)).collect()) if (message.text === text) await ctx.db.delete(message._id); } });
export const conflicting = mutation({ args: {}, handler: async (ctx) => { if ((await ctx.db.query('messages').withIndex('by_channel', (q) => q.eq('channel', 'conflict')).first()) === null) Convex.syscall('throwOcc', '{}'); return 'settled'; } });
export const nothing = mutation({ args: {}, handler: async () => 'done' });
export const slow = action({ args: { ms: v.number() }, handler: async (_ctx, { ms }) => { await new Promise((resolve) => setTimeout(resolve, ms)); return ms; } });
export const me = query({ args: {}, handler: async (ctx) => await ctx.auth.getUserIdentity() });
const ask = async (name) => JSON.parse(await Convex.asyncSyscall(name, '{}'));
export const whyNobody = query({ args: {}, handler: async () => [await ask('1.0/getUserIdentityDebug'), await ask('1.0/getUserIdentityInsecure')] });
export const meOrNobody = query({ args: {}, handler: async (ctx) => { try { return await ctx.auth.getUserIdentity(); } catch { return null; } } });
export const sign = mutation({ args: { claims: v.any(), expiresInSeconds: v.number() }, handler: async (ctx, args) => await ctx.auth.signJwt(args) });
export const broken = query({ args: {}, handler: async () => { throw new Error('broken for good'); } });
export const large = query({ args: { bytes: v.number() }, handler: async (_ctx, { bytes }) => 'x'.repeat(bytes) });
`,
} as const;
