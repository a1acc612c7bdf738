// From a SIGKILL of `stackyard dev` until none of its processes is left.
import { ContractWorkspace, eventually, freePorts } from '../test/contract/workspace.ts';

const rounds = 5;
const targetMs = 1000;

const [port] = await freePorts(1);
await using workspace = new ContractWorkspace('embedded', {
  one: { services: { store: { port: port! } }, scripts: { 'dev:worker': 'node ../../script.mjs' } },
});
const samples: number[] = [];
for (let round = 0; round < rounds; round += 1) {
  const dev = workspace.start(['dev', 'one']);
  await dev.prints('script is running');
  const killed = performance.now();
  dev.kill('SIGKILL');
  await eventually(
    () => workspace.leftovers().length === 0,
    () => workspace.leftovers().join('\n'),
  );
  samples.push(performance.now() - killed);
}
const worst = Math.max(...samples);
const scan = performance.now();
workspace.leftovers();
const baseline = performance.now() - scan;
const row = (label: string, milliseconds: number, remark: string) =>
  console.log(`${label.padEnd(44)}${`${milliseconds.toFixed(0)} ms`.padStart(10)}  ${remark}`);
row('SIGKILL of dev until nothing is left, worst', worst, `target <= ${targetMs} ms`);
row('one look at all processes', baseline, 'baseline: how finely this can be seen');
console.log(`${'ratio'.padEnd(44)}${`${(worst / baseline).toFixed(1)} x`.padStart(10)}`);
if (worst > targetMs) process.exitCode = 1;
