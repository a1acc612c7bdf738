import { execFile } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { startConvexLocal } from '@stackyard/convex-local';
import { generateInstanceSecret, inspectAdminKey, issueAdminKey } from '@stackyard/convex-selfhost';

/** A deployment of its own, with the functions of a project. */
export interface TestConvex extends AsyncDisposable {
  readonly url: string;
  /** Where HTTP actions answer. */
  readonly siteUrl: string;
  readonly adminKey: string;
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
    instanceName: instance.instanceName,
    checkKey: (key) => ({ valid: inspectAdminKey(key, instance).verdict === 'valid' }),
  });
  cleanup.use(deployment);
  const adminKey = issueAdminKey(instance);
  await push(options.project, join(folder, 'project'), deployment.url, adminKey);
  const owned = cleanup.move();
  return {
    url: deployment.url,
    siteUrl: deployment.siteUrl,
    adminKey,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Pushes from a copy, so that tests side by side do not write into each other's generated files. */
async function push(project: string, copy: string, url: string, adminKey: string): Promise<void> {
  await cp(join(project, 'convex'), join(copy, 'convex'), { recursive: true });
  const { type, dependencies } = JSON.parse(await readFile(join(project, 'package.json'), 'utf8')) as {
    type?: string;
    dependencies?: object;
  };
  await writeFile(join(copy, 'package.json'), JSON.stringify({ name: 'copy', type, dependencies }));
  await symlink(join(project, 'node_modules'), join(copy, 'node_modules'), 'junction');
  const bin = join(project, 'node_modules', '.bin', 'convex');
  await promisify(execFile)(bin, ['deploy', '--yes', '--typecheck', 'disable', '--codegen', 'disable'], {
    cwd: copy,
    env: {
      ...process.env,
      PATH: [dirname(process.execPath), process.env.PATH].join(delimiter),
      CONVEX_SELF_HOSTED_URL: url,
      CONVEX_SELF_HOSTED_ADMIN_KEY: adminKey,
    },
  });
}
