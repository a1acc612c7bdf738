import { readdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { defineConfig } from 'vitest/config';

/**
 * Four suites over one workspace, chosen with `--mode`:
 *
 * - (default) `*.test.ts, *.test.tsx`: needs nothing but Node and the npm registry;
 * - `pages`: `*.page.test.ts`, needs a Chromium;
 * - `checkouts`: `*.checkout.test.ts`, works in copies of the whole repository;
 * - `containers`: `*.containers.test.ts` and the integration tests again, needs a Docker engine.
 */
const suites = {
  test: { include: ['**/*.test.{ts,tsx}'], exclude: ['**/*.{page,checkout,containers}.test.ts'] },
  pages: { include: ['**/*.page.test.ts'], exclude: [] },
  checkouts: { include: ['**/*.checkout.test.ts'], exclude: [] },
  containers: { include: ['**/*.containers.test.ts', '**/*.integration.test.ts'], exclude: [] },
};

// Node then compiles once what the workers, their threads and their children load.
process.env.NODE_COMPILE_CACHE ??= join(import.meta.dirname, '.stackyard', 'cache', 'compile');

export default defineConfig(({ mode }) => {
  const suite = suites[mode as keyof typeof suites] ?? suites.test;
  return {
    test: {
      // Tests wait for processes and disks more than they compute.
      maxWorkers: availableParallelism() + 1,
      // Nothing happens at import time, so the many files of the first suite share their modules: a worker loads them once.
      isolate: suite !== suites.test,
      globalSetup: 'packages/testing/src/vitest-global-setup.ts',
      projects: workspaces().map(({ name, root }) => ({
        test: {
          name,
          root,
          include: suite.include,
          exclude: ['**/node_modules/**', '**/dist/**', '**/data/**', ...suite.exclude],
          passWithNoTests: true,
          // Generous: a slow machine is no failure. A test that hangs still ends.
          testTimeout: mode === 'pages' ? 60_000 : 30_000, // a browser starts late on a busy machine
          hookTimeout: 60_000,
          expect: { poll: { timeout: 20_000 } },
        },
      })),
    },
  };
});

function workspaces(): { name: string; root: string }[] {
  const folders = ['packages', 'apps'].flatMap((folder) =>
    readdirSync(folder).map((entry) => join(folder, entry)),
  );
  return [...folders, 'scripts'].map((root) => {
    return { name: JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).name as string, root };
  });
}
