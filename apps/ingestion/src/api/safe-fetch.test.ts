import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startSite } from '../../test/site.ts';
import { isPublic, safeFetch } from './safe-fetch.ts';

const names = new Map<string, string[]>([
  ['site.example', ['127.0.0.1']],
  ['inside.example', ['10.1.2.3']],
  ['both.example', ['127.0.0.1', '169.254.169.254']],
]);
let site: string;
let close: () => void;
beforeAll(async () => {
  const server = await startSite();
  site = `http://site.example:${server.port}`;
  close = server.close;
});
afterAll(() => close?.());

/** The test's own server stands for the public internet. */
const options = {
  lookup: async (host: string) => (names.get(host) ?? []).map((address) => ({ address, family: 4 })),
  allow: (address: string) => address === '127.0.0.1',
  timeoutMs: 2000,
};

async function outcome(url: string, more: Partial<typeof options> = {}): Promise<string> {
  try {
    await using fetched = await safeFetch(url, { ...options, ...more });
    return await text(fetched.body);
  } catch (error) {
    return (error as { code: string }).code;
  }
}

test('a document is fetched, also after redirects, with the name that the site gives', async () => {
  await using fetched = await safeFetch(`${site}/to?${encodeURIComponent('/doc')}`, options);
  expect(fetched).toMatchObject({ name: 'from afar.txt', url: `${site}/doc`, type: 'text/plain' });
  expect(await text(fetched.body)).toBe('a narwhal from afar');
});

test('what leads anywhere inside is refused, by whatever way', async () => {
  const inside = [
    'http://inside.example/',
    'http://both.example/',
    'http://10.0.0.1/',
    'http://169.254.169.254/latest/meta-data/',
    'http://[::1]/',
    'http://[::ffff:10.0.0.1]/',
    'http://[::ffff:a9fe:a9fe]/latest/meta-data/',
    'http://[64:ff9b::7f00:1]/',
    'http://0x0a000001/',
    'http://167772161/',
    'http://012.0.0.1/',
    'http://10.1/',
    'http://0/',
    'http://inside.example./',
    'http://user:pw@site.example/',
    'file:///etc/passwd',
    'gopher://site.example/',
    `${site}/to?${encodeURIComponent('http://10.0.0.1/')}`,
    `${site}/to?${encodeURIComponent('file:///etc/passwd')}`,
    `${site}/to?${encodeURIComponent('http://inside.example/')}`,
  ];
  for (const url of inside) expect([url, await outcome(url)]).toEqual([url, 'API_URL_REFUSED']);
});

test('the connection goes to the address that was checked, wherever the name leads a moment later', async () => {
  let asked = 0;
  const lookup = async () => {
    asked += 1;
    return [{ address: asked === 1 ? '127.0.0.1' : '10.1.2.3', family: 4 }];
  };
  expect(await outcome(`${site}/doc`, { lookup })).toBe('a narwhal from afar');
  expect(asked).toBe(1);
  // A redirect is a new question.
  asked = 0;
  expect(await outcome(`${site}/to?${encodeURIComponent('/doc')}`, { lookup })).toBe('API_URL_REFUSED');
});

test('what is missing, breaks off or never ends its redirects is an error of the URL', async () => {
  expect(await outcome(`${site}/missing`)).toBe('API_URL_FAILED');
  expect(await outcome(`${site}/broken`)).toBe('API_URL_FAILED');
  expect(
    await outcome('http://unknown.example/', { lookup: () => Promise.reject(new Error('ENOTFOUND')) }),
  ).toBe('API_URL_FAILED');
  let loop = `${site}/doc`;
  for (let hop = 0; hop < 7; hop += 1) loop = `${site}/to?${encodeURIComponent(loop)}`;
  expect(await outcome(loop)).toBe('API_URL_REFUSED');
});

test('knows which addresses are public', () => {
  for (const address of ['8.8.8.8', '2606:4700::1111'])
    expect([address, isPublic(address)]).toEqual([address, true]);
  const others = [
    '127.0.0.1',
    '10.0.0.1',
    '172.16.0.1',
    '192.168.1.1',
    '169.254.1.1',
    '100.64.0.1',
    '0.0.0.0',
    '224.0.0.1',
    '::1',
    'fe80::1',
    'fc00::1',
    '::ffff:127.0.0.1',
    '::7f00:1',
    '64:ff9b::a00:1',
    '2002:a00:1::',
  ];
  for (const address of others) expect([address, isPublic(address)]).toEqual([address, false]);
});
