import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import path from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const root = path.join(import.meta.dirname, '../../..');

const docker = async (...args: string[]): Promise<string> =>
  (await promisify(execFile)('docker', args, { cwd: root, maxBuffer: 2 ** 26 })).stdout.trim();

test('the image of the page is built from the Dockerfile, small, and healthy as another user than root', async () => {
  const name = `convex-agent-test-${randomBytes(4).toString('hex')}`;
  await using cleanup = new AsyncDisposableStack();
  await docker('build', '--file', 'apps/convex-agent/Dockerfile', '--target', 'web', '--tag', name, '.');
  cleanup.defer(async () => void (await docker('rmi', '--force', name)));
  await docker(
    'run',
    '--detach',
    '--name',
    name,
    '--publish',
    '127.0.0.1::5173',
    '--env',
    'VITE_CONVEX_URL=http://127.0.0.1:1',
    name,
  );
  cleanup.defer(async () => void (await docker('rm', '--force', name)));
  const health = () => docker('inspect', '--format', '{{.State.Health.Status}}', name);
  await expect.poll(health, { timeout: 60_000, interval: 200 }).toBe('healthy');
  expect(await docker('exec', name, 'id', '-un')).toBe('node');
  const page = await fetch(`http://${await docker('port', name, '5173/tcp')}`);
  expect(page.status).toBe(200);
  expect(await page.text()).toContain('<div id="root">');
  const size = async (image: string) =>
    Number(await docker('image', 'inspect', '--format', '{{.Size}}', image));
  expect((await size(name)) - (await size('node:24-slim'))).toBeLessThan(5e6);
}, 600_000);
