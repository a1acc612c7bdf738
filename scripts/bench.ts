/**
 * Runs the benchmarks, the files in the folder `bench` of each package and variant, one after the other.
 *
 *   ./pnpmw bench              all of them
 *   ./pnpmw bench wait import  those whose path holds one of the words
 *
 * Exits with 1 when one fails or misses its target, with 2 when no benchmark has such a name.
 */
import { resolve } from 'node:path';
import { $, argv, glob } from 'zx';

const root = resolve(import.meta.dirname, '..');

/** The benchmarks below `root` whose path holds one of the words; all of them for no words. Sorted. */
export async function benchmarks(root: string, words: readonly string[] = []): Promise<string[]> {
  const all = await glob(['packages/*/bench/*.ts', 'apps/*/bench/*.ts'], { cwd: root });
  const wanted = all.filter((file) => !file.endsWith('.test.ts'));
  return wanted.filter((file) => words.length === 0 || words.some((word) => file.includes(word))).toSorted();
}

async function main(): Promise<void> {
  const files = await benchmarks(root, argv._.map(String));
  if (files.length === 0) {
    console.error(`No benchmark has such a name. There are:\n  ${(await benchmarks(root)).join('\n  ')}`);
    process.exitCode = 2;
    return;
  }
  const failed: string[] = [];
  for (const file of files) {
    console.log(`\n== ${file}`);
    // Alone on the machine: benchmarks that run side by side measure each other.
    const { exitCode } = await $({ cwd: root, stdio: 'inherit', nothrow: true })`${process.execPath} ${file}`;
    if (exitCode !== 0) failed.push(file);
  }
  if (failed.length === 0) return;
  console.error(`\nfailed or over target:\n  ${failed.join('\n  ')}`);
  process.exitCode = 1;
}

if (import.meta.main) await main();
