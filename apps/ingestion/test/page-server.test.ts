import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, test } from 'vitest';

const source = path.join(import.meta.dirname, '..', 'src');
const releases = new AsyncDisposableStack();
let port: number;

/** As the image has it: the page's files, and of the app the server's own sources, without any package. */
beforeAll(async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'page server '));
  releases.defer(() => rm(folder, { recursive: true }));
  for (const file of ['log.ts', 'web/main.ts', 'web/server.ts'])
    await cp(path.join(source, file), path.join(folder, 'src', file));
  await mkdir(path.join(folder, 'dist/web'), { recursive: true });
  await writeFile(path.join(folder, 'package.json'), '{ "type": "module" }');
  await writeFile(path.join(folder, 'dist/web/index.html'), 'the page');
  await writeFile(path.join(folder, 'dist/secret'), 'outside');

  const api = createServer((incoming, outgoing) => void outgoing.end(`the API: ${incoming.url}`));
  await once(api.listen(0, '127.0.0.1'), 'listening');
  releases.defer(() => void api.close());
  const child = spawn(process.execPath, ['src/web/main.ts'], {
    cwd: folder,
    env: { API_URL: `http://127.0.0.1:${(api.address() as AddressInfo).port}`, PORT: '0' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit');
  releases.defer(async () => {
    child.kill();
    await ended;
  });
  for await (const line of createInterface(child.stdout)) {
    port = Number(/^page on http:\/\/127\.0\.0\.1:(\d+)$/.exec(line)?.[1]);
    break;
  }
});

afterAll(() => releases.disposeAsync());

/** The target is sent as it is. */
async function get(target: string): Promise<{ status: number | undefined; body: string }> {
  const asked = request({ port, host: '127.0.0.1', path: target, agent: false });
  const [answer] = await once(asked.end(), 'response');
  return { status: answer.statusCode, body: await text(answer) };
}

test('serves the page, and the API below /v1/', async () => {
  expect(await get('/')).toEqual({ status: 200, body: 'the page' });
  expect(await get('/index.html?x')).toEqual({ status: 200, body: 'the page' });
  expect(await get('/absent.js')).toMatchObject({ status: 404 });
  for (const host of ['', 'http://127.0.0.1:1', '//127.0.0.1:1'])
    expect(await get(`${host}/v1/x?y=1`)).toEqual({ status: 200, body: 'the API: /v1/x?y=1' });
});

test.each([
  '/../secret',
  'http://x/../secret',
  'http://x/../../secret',
  '//x/../../secret',
  '/%2e%2e/secret',
  'x:/../secret',
  '/..\\secret',
  '/v1/../../secret',
  'http://[/../secret',
])('serves no file outside its folder: %s', async (target) => {
  expect((await get(target)).body).not.toContain('outside');
});
