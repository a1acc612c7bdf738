// only: template
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { runServer } from 'verdaccio';
import { $ } from 'zx';

/** A registry of one's own on a free port of this machine. */
export interface LocalRegistry extends AsyncDisposable {
  readonly url: string;
  /** What a process has to see so that npm and pnpm use this registry; to publish, name it (`--registry`) as well. */
  readonly environment: Readonly<Record<string, string>>;
}

/**
 * Starts a registry that keeps what is published in `folder`, and has everything else from the registry that npm is
 * configured for. `own` are patterns of the names that it never looks for there.
 */
export async function startRegistry(folder: string, own: readonly string[]): Promise<LocalRegistry> {
  const { stdout } = await $({ cwd: folder, quiet: true })`npm config get registry`;
  const everybody = { access: '$all', publish: '$all', unpublish: '$all' };
  const server: Server = await runServer({
    storage: join(folder, 'storage'),
    self_path: folder,
    uplinks: { upstream: { url: stdout.trim(), cache: true, maxage: '60m', timeout: '60s', max_fails: 100 } },
    packages: {
      ...Object.fromEntries(own.map((pattern) => [pattern, everybody])),
      '**': { ...everybody, proxy: 'upstream' },
    },
    auth: { htpasswd: { file: join(folder, 'htpasswd') } },
    max_body_size: '100mb',
    log: { type: 'stdout', level: 'fatal' },
    web: { enable: false },
  } as never); // of the configuration's fields all have defaults, but its type demands them
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  const url = `http://127.0.0.1:${port}/`;
  return {
    url,
    environment: {
      npm_config_audit: 'false',
      npm_config_fund: 'false',
      npm_config_update_notifier: 'false',
      npm_config_registry: url,
      pnpm_config_registry: url,
      // Both want a token before they publish; this registry takes any.
      [`npm_config_//127.0.0.1:${port}/:_authToken`]: 'anybody',
      [`pnpm_config_//127.0.0.1:${port}/:_authToken`]: 'anybody',
    },
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
