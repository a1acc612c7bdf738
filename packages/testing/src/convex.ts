import { execFile } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { startConvexLocal } from '@stackyard/convex-local';
import { generateInstanceSecret, issueAdminKey } from '@stackyard/convex-selfhost';

/** A deployment of its own, with the functions of a project. */
export interface TestConvex extends AsyncDisposable {
  readonly url: string;
  /** Where HTTP actions answer. */
  readonly siteUrl: string;
  readonly adminKey: string;
  /** Runs the official CLI on the copy of the project that was pushed; resolves to its folder. */
  cli(...args: string[]): Promise<string>;
}

export interface ConvexOptions {
  /** The project's folder: the one that holds `convex/` and `package.json`. It is copied, not written to. */
  readonly project: string;
}

/** Starts an empty deployment and pushes the functions of a project to it with the official CLI. */
export async function startConvex(options: ConvexOptions): Promise<TestConvex> {
  await using cleanup = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'stackyard-convex-'));
  cleanup.defer(() => rm(folder, { recursive: true, force: true }));
  const instance = { instanceName: 'test', instanceSecret: generateInstanceSecret() };
  const deployment = await startConvexLocal({
    dataDirectory: join(folder, 'data'),
    port: 0,
    sitePort: 0,
    ...instance,
  });
  cleanup.use(deployment);
  const adminKey = issueAdminKey(instance);
  const copy = join(folder, 'project');
  await copyProject(options.project, copy);
  const cli = async (...args: string[]) => {
    await run(copy, args, { CONVEX_SELF_HOSTED_URL: deployment.url, CONVEX_SELF_HOSTED_ADMIN_KEY: adminKey });
    return copy;
  };
  await cli('deploy', '--yes', '--typecheck', 'disable', '--codegen', 'disable');
  const owned = cleanup.move();
  return {
    url: deployment.url,
    siteUrl: deployment.siteUrl,
    adminKey,
    cli,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** The CLI works on a copy, so that tests side by side do not write into each other's generated files. */
async function copyProject(project: string, copy: string): Promise<void> {
  await cp(join(project, 'convex'), join(copy, 'convex'), { recursive: true });
  const { type, dependencies } = JSON.parse(await readFile(join(project, 'package.json'), 'utf8')) as {
    type?: string;
    dependencies?: object;
  };
  await writeFile(join(copy, 'package.json'), JSON.stringify({ name: 'copy', type, dependencies }));
  await symlink(join(project, 'node_modules'), join(copy, 'node_modules'), 'junction');
}

async function run(folder: string, args: string[], environment: Record<string, string>): Promise<void> {
  const path = [dirname(process.execPath), process.env.PATH].join(delimiter);
  await promisify(execFile)(join(folder, 'node_modules', '.bin', 'convex'), args, {
    cwd: folder,
    // CI: else the CLI reports a refused push to its makers, and never ends where they cannot be reached.
    env: { ...process.env, PATH: path, CI: 'true', ...environment },
  });
}
