/** An app that uses every feature once; the tests of features push it. */
export const FEATURE_APP = {
  'schema.ts': `
import { defineSchema, defineTable } from 'convex/server';
import { v } from 'convex/values';
export default defineSchema({
  notes: defineTable({ author: v.string(), text: v.string(), rank: v.optional(v.number()), file: v.optional(v.id('_storage')) })
    .index('by_author_rank', ['author', 'rank'])
    .index('by_text', { fields: ['text'], staged: true })
    .searchIndex('search_text', { searchField: 'text', filterFields: ['author'] }),
  points: defineTable({ kind: v.string(), at: v.array(v.float64()) })
    .vectorIndex('by_at', { vectorField: 'at', dimensions: 2, filterFields: ['kind'] }),
  loose: defineTable(v.any()),
  ticks: defineTable({}),
});
`,
  'convex.config.ts': `
import { defineApp } from 'convex/server';
import tally from '../tally/convex.config';
const app = defineApp();
app.use(tally);
app.use(tally, { name: 'other', httpPrefix: '/other/' });
export default app;
`,
  '../tally/convex.config.ts': `
import { defineComponent } from 'convex/server';
export default defineComponent('tally');
`,
  '../tally/ops.ts': `
import { createFunctionHandle, internalQueryGeneric, makeFunctionReference, mutationGeneric as mutation, queryGeneric as query } from 'convex/server';
import { v } from 'convex/values';
export const bump = mutation({ args: { by: v.number() }, handler: async (ctx, { by }) => { await ctx.db.insert('bumps', { by }); } });
export const bumpAndFail = mutation({ args: {}, handler: async (ctx) => { await ctx.db.insert('bumps', { by: 1000 }); throw new Error('tally broke'); } });
export const total = query({ args: {}, handler: async (ctx) => (await ctx.db.query('bumps').collect()).reduce((sum, { by }) => sum + by, 0) });
export const double = internalQueryGeneric({ args: { n: v.number() }, handler: async (_ctx, { n }) => n * 2 });
export const handle = query({ args: {}, handler: async () => await createFunctionHandle(makeFunctionReference('ops:double')) });
export const who = query({ args: {}, handler: async (ctx) => await ctx.auth.getUserIdentity() });
export const soon = mutation({ args: {}, handler: async (ctx) => await ctx.scheduler.runAfter(0, makeFunctionReference('ops:bump'), { by: 5 }) });
export const uploadUrl = mutation({ args: {}, handler: async (ctx) => await ctx.storage.generateUploadUrl() });
export const fileUrl = query({ args: { id: v.string() }, handler: async (ctx, { id }) => await ctx.storage.getUrl(id) });
export const job = query({ args: { id: v.string() }, handler: async (ctx, { id }) => (await ctx.db.system.get(id))?.state.kind ?? null });
`,
  '../tally/http.ts': `
import { httpActionGeneric, httpRouter } from 'convex/server';
const http = httpRouter();
http.route({ path: '/hello', method: 'GET', handler: httpActionGeneric(async () => new Response('from the component')) });
export default http;
`,
  'notes.ts': `
import { mutationGeneric as mutation, paginationOptsValidator, queryGeneric as query } from 'convex/server';
import { v } from 'convex/values';
export const add = mutation({ args: { author: v.string(), text: v.string(), rank: v.optional(v.number()) }, returns: v.id('notes'), handler: async (ctx, note) => await ctx.db.insert('notes', note) });
export const edit = mutation({ args: { id: v.id('notes'), text: v.string() }, handler: async (ctx, { id, text }) => { await ctx.db.patch(id, { text, rank: undefined }); return await ctx.db.get(id); } });
export const put = mutation({ args: { id: v.id('notes'), author: v.string(), text: v.string() }, handler: async (ctx, { id, ...note }) => { await ctx.db.replace(id, note); return await ctx.db.get(id); } });
export const remove = mutation({ args: { id: v.id('notes') }, handler: async (ctx, { id }) => await ctx.db.delete(id) });
export const wrong = mutation({ args: {}, handler: async (ctx) => { await ctx.db.insert('notes', { author: 7, text: 'x' }); } });
export const clear = mutation({ args: {}, handler: async (ctx) => { for (const note of await ctx.db.query('notes').collect()) await ctx.db.delete(note._id); } });
export const ranked = query({ args: { author: v.string(), above: v.optional(v.number()), order: v.optional(v.string()) }, handler: async (ctx, { author, above, order }) => {
  const notes = await ctx.db.query('notes').withIndex('by_author_rank', (q) => above === undefined ? q.eq('author', author) : q.eq('author', author).gt('rank', above)).order(order ?? 'asc').collect();
  return notes.map(({ text }) => text);
} });
export const filtered = query({ args: { author: v.string() }, handler: async (ctx, { author }) => (await ctx.db.query('notes').filter((q) => q.and(q.eq(q.field('author'), author), q.not(q.lt(q.field('rank'), 2)))).collect()).map(({ text }) => text) });
export const staged = query({ args: {}, handler: async (ctx) => await ctx.db.query('notes').withIndex('by_text').collect() });
export const disordered = query({ args: {}, handler: async (ctx) => await ctx.db.query('notes').withIndex('by_author_rank', (q) => q.eq('rank', 1)).collect() });
export const page = query({ args: { author: v.string(), paginationOpts: paginationOptsValidator }, handler: async (ctx, { author, paginationOpts }) => await ctx.db.query('notes').withIndex('by_author_rank', (q) => q.eq('author', author)).paginate(paginationOpts) });
export const search = query({ args: { text: v.string(), author: v.optional(v.string()) }, handler: async (ctx, { text, author }) => (await ctx.db.query('notes').withSearchIndex('search_text', (q) => author === undefined ? q.search('text', text) : q.search('text', text).eq('author', author)).collect()).map(({ text }) => text) });
export const searchPage = query({ args: { text: v.string(), paginationOpts: paginationOptsValidator }, handler: async (ctx, { text, paginationOpts }) => await ctx.db.query('notes').withSearchIndex('search_text', (q) => q.search('text', text)).paginate(paginationOpts) });
export const badReturn = query({ args: {}, returns: v.number(), handler: async () => 'text' });
export const normalize = query({ args: { table: v.string(), id: v.string() }, handler: async (ctx, { table, id }) => ctx.db.normalizeId(table, id) });
export const clock = query({ args: {}, handler: async () => { const first = Date.now(); for (let i = 0; i < 1e6; i++); return [Date.now() === first, new Date().getTime() === first, typeof Math.random()]; } });
export const timer = query({ args: {}, handler: async () => { setTimeout(() => {}, 1); } });
export const block = query({ args: {}, handler: async () => { for (;;); } });
export const forever = query({ args: {}, handler: async () => await new Promise(() => {}) });
export const big = mutation({ args: { kilobytes: v.number() }, handler: async (ctx, { kilobytes }) => { await ctx.db.insert('loose', { text: 'x'.repeat(kilobytes * 1024) }); } });
export const underscore = mutation({ args: {}, handler: async (ctx) => { await ctx.db.insert('loose', { _mine: 1 }); } });
export const values = mutation({ args: { value: v.any() }, handler: async (ctx, { value }) => (await ctx.db.get(await ctx.db.insert('loose', { value }))).value });
export const walk = mutation({ args: {}, handler: async (ctx) => { let seen = 0; for await (const note of ctx.db.query('notes')) { seen++; await ctx.db.patch(note._id, { rank: seen }); } return seen; } });
`,
  'calls.ts': `
import { actionGeneric as action, anyApi, componentsGeneric, mutationGeneric as mutation, queryGeneric as query } from 'convex/server';
import { ConvexError, v } from 'convex/values';
const components = componentsGeneric();
class Refusal extends ConvexError { name = 'Refusal'; constructor(code) { super({ code }); } }
export const refuse = query({ args: {}, handler: async () => { throw new Refusal(7n); } });
export const throwPlain = query(async () => { throw new Error('plain'); });
export const relay = action({ args: {}, handler: async (ctx) => { await ctx.runQuery(anyApi.calls.refuse); } });
export const bump = mutation({ args: { by: v.number() }, handler: async (ctx, { by }) => { await ctx.runMutation(components.tally.ops.bump, { by }); } });
export const partial = mutation({ args: {}, handler: async (ctx) => { await ctx.runMutation(components.tally.ops.bump, { by: 1 }); try { await ctx.runMutation(components.tally.ops.bumpAndFail, {}); } catch (error) { return error.message; } } });
export const totals = query({ args: {}, handler: async (ctx) => [await ctx.runQuery(components.tally.ops.total, {}), await ctx.runQuery(components.other.ops.total, {})] });
export const viaHandle = action({ args: {}, handler: async (ctx) => { const handle = await ctx.runQuery(components.tally.ops.handle, {}); return await ctx.runQuery(handle, { n: 21 }); } });
export const identity = query({ args: {}, handler: async (ctx) => [await ctx.auth.getUserIdentity(), await ctx.runQuery(components.tally.ops.who, {})] });
export const soonInComponent = mutation({ args: {}, handler: async (ctx) => await ctx.runMutation(components.tally.ops.soon, {}) });
export const bumpSoon = mutation({ args: {}, handler: async (ctx) => await ctx.scheduler.runAfter(0, components.tally.ops.bump, { by: 100 }) });
export const fileInComponent = mutation({ args: {}, handler: async (ctx) => await ctx.runMutation(components.tally.ops.uploadUrl, {}) });
export const fileUrlInComponent = query({ args: { id: v.string() }, handler: async (ctx, args) => await ctx.runQuery(components.tally.ops.fileUrl, args) });
export const jobInComponent = query({ args: { id: v.string() }, handler: async (ctx, { id }) => await ctx.runQuery(components.tally.ops.job, { id }) });
export const near = action({ args: { at: v.array(v.number()), kind: v.optional(v.string()) }, handler: async (ctx, { at, kind }) => await ctx.vectorSearch('points', 'by_at', { vector: at, limit: 2, ...(kind === undefined ? {} : { filter: (q) => q.eq('kind', kind) }) }) });
export const addPoint = mutation({ args: { kind: v.string(), at: v.array(v.number()) }, handler: async (ctx, point) => await ctx.db.insert('points', point) });
export const setting = query({ args: {}, handler: async () => [process.env.GREETING ?? null, process.env.CONVEX_CLOUD_URL, process.env.PATH ?? null] });
`,
  'jobs.ts': `
import { actionGeneric as action, anyApi, mutationGeneric as mutation, queryGeneric as query } from 'convex/server';
import { v } from 'convex/values';
export const mark = mutation({ args: { text: v.string() }, handler: async (ctx, { text }) => { await ctx.db.insert('notes', { author: 'jobs', text }); } });
export const tick = mutation({ args: {}, handler: async (ctx) => { await ctx.db.insert('ticks', {}); } });
export const ticks = query({ args: {}, handler: async (ctx) => (await ctx.db.query('ticks').collect()).length });
export const fails = mutation({ args: {}, handler: async (ctx) => { await ctx.db.insert('notes', { author: 'jobs', text: 'lost' }); throw new Error('job failed'); } });
export const later = mutation({ args: { delay: v.number(), text: v.string() }, handler: async (ctx, { delay, text }) => await ctx.scheduler.runAfter(delay, anyApi.jobs.mark, { text }) });
export const laterFails = mutation({ args: {}, handler: async (ctx) => await ctx.scheduler.runAfter(0, anyApi.jobs.fails, {}) });
export const scheduleThenThrow = mutation({ args: {}, handler: async (ctx) => { await ctx.scheduler.runAfter(0, anyApi.jobs.mark, { text: 'never' }); throw new Error('no'); } });
export const fromAction = action({ args: {}, handler: async (ctx) => await ctx.scheduler.runAfter(0, anyApi.jobs.mark, { text: 'from an action' }) });
export const cancel = mutation({ args: { id: v.id('_scheduled_functions') }, handler: async (ctx, { id }) => await ctx.scheduler.cancel(id) });
export const state = query({ args: { id: v.id('_scheduled_functions') }, handler: async (ctx, { id }) => (await ctx.db.system.get(id))?.state ?? null });
export const cancelSelf = mutation({ args: {}, handler: async (ctx) => { for (const job of await ctx.db.system.query('_scheduled_functions').collect()) if (job.state.kind === 'pending') await ctx.scheduler.cancel(job._id); } });
export const laterCancelSelf = mutation({ args: {}, handler: async (ctx) => await ctx.scheduler.runAfter(0, anyApi.jobs.cancelSelf, {}) });
`,
  'crons.ts': `
import { anyApi, cronJobs } from 'convex/server';
const crons = cronJobs();
crons.interval('tick', { seconds: 1 }, anyApi.jobs.tick, {});
export default crons;
`,
  'files.ts': `
import { actionGeneric as action, mutationGeneric as mutation, queryGeneric as query } from 'convex/server';
import { v } from 'convex/values';
export const uploadUrl = mutation({ args: {}, handler: async (ctx) => await ctx.storage.generateUploadUrl() });
export const url = query({ args: { id: v.string() }, handler: async (ctx, { id }) => await ctx.storage.getUrl(id) });
export const metadata = query({ args: { id: v.string() }, handler: async (ctx, { id }) => [await ctx.storage.getMetadata(id), await ctx.db.system.get(id)] });
export const oldMetadata = query({ args: { id: v.string() }, handler: async (ctx, { id }) => await ctx.storage.getMetadata(id) });
export const remove = mutation({ args: { id: v.string() }, handler: async (ctx, { id }) => await ctx.storage.delete(id) });
export const store = action({ args: { text: v.string() }, handler: async (ctx, { text }) => await ctx.storage.store(new Blob([text], { type: 'text/plain' })) });
export const read = action({ args: { id: v.string() }, handler: async (ctx, { id }) => { const blob = await ctx.storage.get(id); return blob === null ? null : [await blob.text(), blob.type]; } });
`,
  'http.ts': `
import { httpActionGeneric as httpAction, httpRouter } from 'convex/server';
import { ConvexError } from 'convex/values';
const http = httpRouter();
http.route({ path: '/echo', method: 'POST', handler: httpAction(async (_ctx, request) => new Response(await request.text(), { status: 201, headers: { 'x-method': request.method } })) });
http.route({ pathPrefix: '/files/', method: 'GET', handler: httpAction(async (_ctx, request) => Response.json({ path: new URL(request.url).pathname })) });
http.route({ path: '/boom', method: 'GET', handler: httpAction(async () => { throw new Error('broken'); }) });
http.route({ path: '/refuse', method: 'GET', handler: httpAction(async () => { throw new ConvexError('no'); }) });
http.route({ path: '/who', method: 'GET', handler: httpAction(async (ctx, request) => Response.json({ identity: await ctx.auth.getUserIdentity(), header: request.headers.get('authorization') })) });
http.route({ path: '/stream', method: 'GET', handler: httpAction(async () => new Response(new ReadableStream({ async start(c) { for (const part of ['a', 'b', 'c']) { c.enqueue(new TextEncoder().encode(part)); await new Promise((r) => setTimeout(r, 5)); } c.close(); } }))) });
export default http;
`,
  'node/tools.ts': `
'use node';
import fs from 'node:fs';
import os from 'node:os';
import { actionGeneric as action } from 'convex/server';
const path = require('node:path');
export const required = action({ args: {}, handler: async () => path.posix.join('a', '..', 'b') });
export const platform = action({ args: {}, handler: async () => os.platform() });
export const crash = action({ args: {}, handler: async () => await new Promise(() => { fs.exists('/', () => { throw new Error('thrown in a callback'); }); }) });
export const deadlock = action({ args: {}, handler: async () => await new Promise(() => setTimeout(() => {}, 100)) });
export const stack = action({ args: {}, handler: async () => inner() });
function inner() { return new Error('here').stack; }
export const timers = action({ args: {}, handler: async () => { console.time('t'); console.time('t'); console.timeLog('t', 'x'); console.timeEnd('t'); console.log({ a: 1 }, 'text'); } });
`,
} as const;
