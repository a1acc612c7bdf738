import { expect, test } from 'vitest';
import { isOfAnotherPage, isOwnHost } from './browser.ts';

const allowed = ['box.lan', '.example.org'];

test.each([
  ...['localhost', 'localhost:5175', 'web.localhost', '127.0.0.1:4100', '10.0.0.7', '[::1]:4100'],
  ...['box.lan', 'BOX.lan:80', 'example.org', 'deep.sub.example.org'],
])('%s is a name of our own', (host) => {
  expect(isOwnHost(host, allowed)).toBe(true);
});

test.each([
  ...[
    'evil.example',
    'localhost.evil.example',
    'notlocalhost',
    '127.0.0.1.evil.example',
    undefined,
    '',
    'a b',
  ],
  ...['sub.box.lan', 'notexample.org', 'example.org.evil.example', 'evil.example#.example.org', 'lan'],
])('%s is not', (host) => {
  expect(isOwnHost(host, allowed)).toBe(false);
});

test.each([
  [{ host: 'localhost:80', origin: 'http://localhost:81' }, true],
  [{ host: '10.0.0.7:4100', origin: 'http://evil.example' }, true],
  [{ host: '10.0.0.7:4100', origin: 'null' }, true],
  [{ host: 'localhost:80', 'sec-fetch-site': 'cross-site' }, true],
  [{ host: 'localhost:80', 'sec-fetch-site': 'same-site' }, true],
  [{ host: 'localhost:81', origin: 'http://localhost:81', 'sec-fetch-site': 'same-origin' }, false],
  [{ host: 'documents.example.org', origin: 'https://documents.example.org' }, false],
  [{ host: 'localhost:80', 'sec-fetch-site': 'none' }, false],
  [{ host: 'localhost:80' }, false],
])('the page that asks with %j is one of another site: %s', (headers, other) => {
  expect(isOfAnotherPage(headers)).toBe(other);
});
