/**
 * The second start of `turbo dev` for this variant, until a person can use the page: it answers, and so do the
 * functions it calls. The baseline is the first start.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { report } from '@stackyard/testing/bench';
import { ConvexHttpClient } from 'convex/browser';
import { api } from '../convex/_generated/api.js';

const root = resolve(import.meta.dirname, '../../..');
const [convexPort, sitePort, webPort] = await freePorts(3);

const first = await start();
const second = await start();
report({
  name: 'second start to a usable page',
  value: second,
  unit: 's',
  baseline: { name: 'first start', value: first },
  target: { value: 6 },
});

async function start(): Promise<number> {
  const started = performance.now();
  const dev = spawn(resolve(root, 'pnpmw'), ['turbo', 'dev', '--filter', 'convex-agent'], {
    cwd: root,
    stdio: 'ignore',
    env: {
      ...process.env,
      CONVEX_PORT: String(convexPort),
      CONVEX_SITE_PORT: String(sitePort),
      CONVEX_AGENT_WEB_PORT: String(webPort),
    },
  });
  try {
    while (!(await usable())) {
      if (dev.exitCode !== null) throw new Error(`turbo dev ended with ${dev.exitCode}`);
      await delay(20);
    }
    return (performance.now() - started) / 1000;
  } finally {
    dev.kill('SIGTERM');
    if (dev.exitCode === null) await once(dev, 'exit');
  }
}

async function usable(): Promise<boolean> {
  const client = new ConvexHttpClient(`http://127.0.0.1:${convexPort}`, { logger: false });
  const paginationOpts = { numItems: 1, cursor: null };
  const [page, list] = await Promise.allSettled([
    fetch(`http://127.0.0.1:${webPort}/src/main.tsx`),
    client.query(api.workflows.list, { paginationOpts }),
  ]);
  return page.status === 'fulfilled' && page.value.ok && list.status === 'fulfilled';
}

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((closed) => server.close(closed))));
  return ports;
}
