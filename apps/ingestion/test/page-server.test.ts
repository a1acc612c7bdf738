import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createPageServer } from '../src/web/server.ts';

let folder: string;
let api: Server;
let page: Server;
let port: number;

const listen = async (server: Server) => {
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return (server.address() as AddressInfo).port;
};

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'page server-'));
  await mkdir(join(folder, 'web'));
  await writeFile(join(folder, 'web', 'index.html'), 'the page');
  await writeFile(join(folder, 'secret.txt'), 'a secret');
  api = createServer((request, response) => response.end(`the API at ${request.url}`));
  page = createPageServer({
    apiUrl: `http://127.0.0.1:${await listen(api)}`,
    directory: join(folder, 'web'),
  });
  port = await listen(page);
});
afterAll(async () => {
  page?.close();
  api?.close();
  await rm(folder, { recursive: true, force: true });
});

/** What comes for a target as it is; `fetch` would tidy it up first. */
async function answerTo(target: string): Promise<string> {
  const connection = connect(port, '127.0.0.1');
  connection.write(`GET ${target} HTTP/1.1\r\nhost: page\r\nconnection: close\r\n\r\n`);
  let text = '';
  for await (const bytes of connection) text += bytes;
  return text;
}

test('the page has its files and the API under one address, whole URLs included', async () => {
  for (const target of ['/', '/?x', '/index.html', 'http://page/'])
    expect(await answerTo(target)).toMatch(/^HTTP\/1.1 200 .*the page$/s);
  for (const target of ['/v1/x?y=1', '//127.0.0.1:1/v1/x?y=1', 'http://127.0.0.1:1/v1/x?y=1'])
    expect(await answerTo(target)).toContain('the API at /v1/x?y=1');
});

test.each([
  '/../secret.txt',
  'http://page/../secret.txt',
  'http://page/../../../../../secret.txt',
  '/%2e%2e/secret.txt',
  '/..\\secret.txt',
  '//page/../secret.txt',
  '/v1/../../secret.txt',
  'http://[/../secret.txt',
])('no file outside of the folder is served for %s', async (target) => {
  expect(await answerTo(target)).not.toContain('a secret');
  expect(await answerTo('/')).toContain('the page');
});
