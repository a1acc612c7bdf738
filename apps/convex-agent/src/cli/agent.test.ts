import { execFile } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';

/** Runs the command line against a deployment that may not be there. */
function agent(url: string, ...args: string[]) {
  return new Promise<{ code: number; stdout: string; stderr: string }>((resolve) => {
    const env = {
      PATH: process.env.PATH,
      CONVEX_SELF_HOSTED_URL: url,
      CONVEX_SELF_HOSTED_ADMIN_KEY: 'another|01ff',
    };
    const child = execFile(
      process.execPath,
      [join(import.meta.dirname, 'agent.ts'), ...args],
      { env },
      (_, stdout, stderr) => resolve({ code: child.exitCode ?? -1, stdout, stderr }),
    );
  });
}

/** A port at which nothing answers. */
async function nobody(): Promise<string> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return `http://127.0.0.1:${port}`;
}

test.each([
  [[], 'Usage: agent'],
  [['nonsense'], "unknown command 'nonsense'"],
  [['show'], "missing required argument 'id'"],
  [['list', '--limit', 'many'], 'Give a number from 1 to 9999'],
  [['list', '--status', 'unknown'], 'Allowed choices are pending, running'],
])('wrong usage %j is said and ends with 2', async (args, words) => {
  const { code, stderr } = await agent('http://127.0.0.1:1', ...args);
  expect([code, stderr]).toEqual([2, expect.stringContaining(words)]);
});

test('help is no failure', async () => {
  const { code, stdout } = await agent('http://127.0.0.1:1', '--help');
  expect([code, stdout]).toEqual([0, expect.stringContaining('retry')]);
});

test('a deployment that is not there is said at once', async () => {
  const url = await nobody();
  const { code, stderr } = await agent(url, 'list');
  expect(code).toBe(1);
  expect(stderr).toContain(`The Convex deployment at ${url} does not answer.`);
  expect(stderr).toContain('turbo dev --filter convex-agent');
});

test('a runner whose key is refused stops, and says who knows why', async () => {
  const refusing = createServer((_, response) => {
    response.writeHead(401, { 'content-type': 'application/json' });
    response.end('{"code":"BadAdminKey","message":"The provided admin key was invalid for this instance"}');
  });
  await new Promise<void>((resolve) => refusing.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void refusing.close());
  const { port } = refusing.address() as AddressInfo;
  const { code, stderr } = await agent(`http://127.0.0.1:${port}`, 'runner');
  expect(code).toBe(1);
  expect(stderr).toContain('does not accept CONVEX_SELF_HOSTED_ADMIN_KEY');
  expect(stderr).toContain('check-key');
  expect(stderr).not.toContain('01ff');
});
