import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { ADMIN_KEY, Project, startDeployment, temporaryFolder } from '../test/project.ts';

export { ADMIN_KEY, Project, temporaryFolder };

export interface BenchDeployment extends AsyncDisposable {
  readonly url: string;
  readonly process: ChildProcess;
  /** Milliseconds from the start of the process until it served. */
  readonly startMs: number;
}

/** Starts a deployment in a process of its own, as the embedded driver does. */
export async function startInProcess(dataDirectory: string): Promise<BenchDeployment> {
  const start = performance.now();
  const child = fork(fileURLToPath(import.meta.url), [], {
    env: { ...process.env, BENCH_DATA: dataDirectory },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const [url] = (await once(child, 'message')) as [string];
  return {
    url,
    process: child,
    startMs: performance.now() - start,
    [Symbol.asyncDispose]: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const gone = once(child, 'exit');
      child.kill('SIGTERM');
      await gone;
    },
  };
}

if (process.env.BENCH_DATA !== undefined && process.send !== undefined) {
  const deployment = await startDeployment(process.env.BENCH_DATA);
  process.on('SIGTERM', async () => {
    await deployment[Symbol.asyncDispose]();
    process.exit(0);
  });
  process.send(deployment.url);
}

/** The app that the benchmarks push. */
export const BENCH_APP = {
  'schema.ts': `
import { defineSchema, defineTable } from 'convex/server';
import { v } from 'convex/values';
export default defineSchema({ rows: defineTable({ key: v.number(), text: v.string() }).index('by_key', ['key']).searchIndex('words', { searchField: 'text' }) });
`,
  'rows.ts': `
import { mutationGeneric as mutation, queryGeneric as query } from 'convex/server';
import { v } from 'convex/values';
export const add = mutation({ args: { key: v.number(), text: v.string() }, handler: async (ctx, row) => await ctx.db.insert('rows', row) });
export const fill = mutation({ args: { from: v.number(), count: v.number() }, handler: async (ctx, { from, count }) => { for (let i = 0; i < count; i++) await ctx.db.insert('rows', { key: from + i, text: 'row number ' + (from + i) }); } });
export const byKey = query({ args: { key: v.number() }, handler: async (ctx, { key }) => (await ctx.db.query('rows').withIndex('by_key', (q) => q.eq('key', key)).collect()).length });
export const search = query({ args: { text: v.string() }, handler: async (ctx, { text }) => (await ctx.db.query('rows').withSearchIndex('words', (q) => q.search('text', text)).take(10)).map(({ key }) => key) });
export const hits = query({ args: { keys: v.array(v.number()) }, handler: async (ctx, { keys }) => { let found = 0; for (const key of keys) if (await ctx.db.query('rows').withIndex('by_key', (q) => q.eq('key', key)).unique()) found++; return found; } });
export const latest = query({ args: {}, handler: async (ctx) => (await ctx.db.query('rows').order('desc').first())?.key ?? null });
export const keys = query({ args: { from: v.number() }, handler: async (ctx, { from }) => (await ctx.db.query('rows').withIndex('by_key', (q) => q.gte('key', from)).take(8000)).map(({ key }) => key) });
`,
} as const;
