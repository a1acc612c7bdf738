// How long `convex dev --once` takes, against the CLI doing nothing.
import path from 'node:path';
import { BENCH_APP, Project, startInProcess, temporaryFolder } from './deployment.ts';
import { percentile, report } from './measure.ts';

const ROUNDS = 7;
using folder = temporaryFolder();
await using deployment = await startInProcess(path.join(folder.path, 'data'));
const project = new Project(path.join(folder.path, 'app'), BENCH_APP);

async function time(...args: string[]): Promise<number> {
  const start = performance.now();
  const { code, stderr } = await project.convex(deployment.url, ...args);
  if (code !== 0) throw new Error(stderr);
  return performance.now() - start;
}

const pushes: number[] = [];
const idle: number[] = [];
for (let round = 0; round < ROUNDS; round++) {
  idle.push(await time('--version'));
  project.write({ 'changing.ts': `export const round = ${round};` });
  pushes.push(await time('dev', '--once', '--typecheck', 'disable'));
}
report({
  name: 'dev --once, median',
  value: percentile(pushes, 0.5),
  unit: 'ms',
  baseline: { name: 'convex --version', value: percentile(idle, 0.5) },
  target: 2100,
});
