/**
 * 50 workflows, 4 runners, one of them killed every 2 seconds: how many workflows finish, each step of each exactly
 * once, and how long it takes. The baseline is the same work with nobody killed.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { report } from '@stackyard/testing/bench';
import { startConvex, type TestConvex } from '@stackyard/testing/convex';
import { ConvexHttpClient } from 'convex/browser';
import { api } from '../convex/_generated/api.js';
import type { Id } from '../convex/_generated/dataModel.js';

const workflows = 50;
const runners = 4;
const project = resolve(import.meta.dirname, '..');

const calm = await round(undefined);
const killed = await round(2_000);
report({
  name: 'workflows not finished exactly once',
  value: workflows - killed.once,
  unit: '',
  target: { value: 0 },
});
report({
  name: 'time for all of them',
  value: killed.seconds,
  unit: 's',
  baseline: { name: 'nobody killed', value: calm.seconds },
});
console.log(`${killed.kills} runners were killed.`);

async function round(killEveryMs: number | undefined) {
  await using convex = await startConvex({ project });
  const workspaces = await mkdtemp(join(tmpdir(), 'agent-bench-'));
  const client = new ConvexHttpClient(convex.url, { logger: false });
  const team = Array.from({ length: runners }, () => startRunner(convex, workspaces));
  let kills = 0;
  const killer =
    killEveryMs === undefined
      ? undefined
      : setInterval(() => {
          const victim = kills++ % runners;
          team[victim]!.kill('SIGKILL');
          team[victim] = startRunner(convex, workspaces);
        }, killEveryMs);
  try {
    const started = performance.now();
    const ids: Id<'workflows'>[] = [];
    for (let index = 0; index < workflows; index++) {
      ids.push(await client.mutation(api.workflows.create, { task: `workflow ${index}` }));
    }
    for (;;) {
      const { page } = await client.query(api.workflows.list, {
        paginationOpts: { numItems: 200, cursor: null },
      });
      if (page.every(({ status }) => status !== 'pending' && status !== 'running')) break;
      await delay(100);
    }
    const seconds = (performance.now() - started) / 1000;
    const once = await Promise.all(ids.map((id) => finishedOnce(client, id)));
    return { seconds, kills, once: once.filter(Boolean).length };
  } finally {
    clearInterval(killer);
    for (const runner of team) runner.kill('SIGKILL');
    await rm(workspaces, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Whether the workflow completed and no step of it was completed twice. */
async function finishedOnce(client: ConvexHttpClient, id: Id<'workflows'>): Promise<boolean> {
  const workflow = await client.query(api.workflows.get, { id });
  const sessions = await client.query(api.agentSessions.list, { workflowId: id });
  const steps = sessions.filter(({ status }) => status === 'completed').map(({ step }) => step);
  return workflow?.status === 'completed' && steps.length === 5 && new Set(steps).size === 5;
}

function startRunner(convex: TestConvex, workspaces: string): ChildProcess {
  return spawn(process.execPath, [join(project, 'src/cli/agent.ts'), 'runner'], {
    stdio: 'ignore',
    env: {
      PATH: process.env.PATH,
      CONVEX_SELF_HOSTED_URL: convex.url,
      CONVEX_SELF_HOSTED_ADMIN_KEY: convex.adminKey,
      AGENT_WORKSPACES: workspaces,
      AGENT_LEASE_SECONDS: '2',
      AGENT_CONCURRENCY: '4',
    },
  });
}
