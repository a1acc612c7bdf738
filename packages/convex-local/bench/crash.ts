// Kills the deployment at random moments under load: nothing acknowledged may be missing, nothing may be there twice.
//   ./pnpmw bench convex-local/bench/crash      CRASH_ROUNDS=200 by default
import path from 'node:path';
import { crashRounds } from '../test/crash.ts';
import { temporaryFolder } from './deployment.ts';

const rounds = Number(process.env.CRASH_ROUNDS ?? 200);
using folder = temporaryFolder();
const start = performance.now();
const result = await crashRounds(path.join(folder.path, 'crash'), rounds);
const seconds = ((performance.now() - start) / 1000).toFixed(0);
console.log(
  `${rounds} kills in ${seconds} s, ${result.acknowledged} mutations acknowledged: ` +
    `${result.lost} lost (target 0), ${result.twice} applied twice (target 0)`,
);
process.exitCode = result.lost + result.twice === 0 ? 0 : 1;
