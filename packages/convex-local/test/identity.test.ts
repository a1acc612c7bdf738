import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { type BaseConvexClient, ConvexClient, ConvexHttpClient } from 'convex/browser';
import { anyApi } from 'convex/server';
import {
  createRemoteJWKSet,
  decodeProtectedHeader,
  exportJWK,
  generateKeyPair,
  type JWTPayload,
  jwtVerify,
  SignJWT,
} from 'jose';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import type { RunningConvexLocal } from '../src/index.ts';
import { ADMIN_KEY, Project, startDeployment, temporaryFolder } from './project.ts';
import { RawClient } from './raw-client.ts';
import { SYNC_APP } from './sync-app.ts';

const ISSUER = 'https://issuer.test/one';
const { privateKey, publicKey } = await generateKeyPair('RS256');
const jwk = { ...(await exportJWK(publicKey)), kid: 'key-1', alg: 'RS256', use: 'sig' };
const jwks = `data:text/plain;charset=utf-8;base64,${Buffer.from(JSON.stringify({ keys: [jwk] })).toString('base64')}`;

// An OpenID Connect issuer, as far as a deployment asks for it.
const issuer = createServer((request, response) => {
  const { port } = issuer.address() as AddressInfo;
  const answers: Record<string, unknown> = {
    '/.well-known/openid-configuration': {
      issuer: `http://127.0.0.1:${port}`,
      jwks_uri: `http://127.0.0.1:${port}/keys`,
    },
    '/keys': { keys: [jwk] },
  };
  response.setHeader('content-type', 'application/json');
  if (request.url === '/gone') response.statusCode = 503;
  response.end(JSON.stringify(answers[request.url ?? ''] ?? {}));
}).listen(0, '127.0.0.1');
await once(issuer, 'listening');
const OIDC = `http://127.0.0.1:${(issuer.address() as AddressInfo).port}`;

const APP = {
  ...SYNC_APP,
  'auth.config.ts': `export default { providers: [
  { domain: '${OIDC}', applicationID: 'app' },
  { type: 'customJwt', applicationID: 'app', issuer: '${ISSUER}', jwks: '${jwks}', algorithm: 'RS256' },
  { type: 'customJwt', issuer: 'https://issuer.test/any-audience', jwks: '${jwks}', algorithm: 'RS256' },
  { type: 'customJwt', applicationID: 'app', issuer: 'https://issuer.test/gone', jwks: '${OIDC}/gone', algorithm: 'RS256' },
  { type: 'customJwt', applicationID: 'app', issuer: 'https://issuer.test/broken', jwks: 'data:invalid,not-json', algorithm: 'RS256' },
] };`,
} as const;

const folder = temporaryFolder();
let deployment: RunningConvexLocal;
const chat = anyApi.chat!;
const open: Array<{ close(): unknown }> = [];

beforeAll(async () => {
  deployment = await startDeployment(path.join(folder.path, 'data'));
  await new Project(path.join(folder.path, 'app'), APP).push(deployment.url);
});

afterEach(async () => {
  for (const client of open.splice(0)) await client.close();
});

afterAll(async () => {
  issuer.close();
  issuer.closeAllConnections();
  await deployment[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});

function track<T extends { close(): unknown }>(client: T): T {
  open.push(client);
  return client;
}

const raw = async () => await track(new RawClient(deployment.url)).connect();

describe('identity', () => {
  const token = async (
    claims: JWTPayload = {},
    options: { iss?: string; aud?: string; kid?: string | null; exp?: string; iat?: number } = {},
  ) => {
    const jwt = new SignJWT(claims)
      .setProtectedHeader({ alg: 'RS256', ...(options.kid === null ? {} : { kid: options.kid ?? 'key-1' }) })
      .setSubject('user-1')
      .setIssuer(options.iss ?? ISSUER)
      .setIssuedAt(options.iat ?? Math.floor(Date.now() / 1000) - 30)
      .setExpirationTime(options.exp ?? '1h');
    return await (options.aud === '' ? jwt : jwt.setAudience(options.aud ?? 'app')).sign(privateKey);
  };
  const refusal = async (jwt: string) => {
    const client = new ConvexHttpClient(deployment.url, { logger: false });
    client.setAuth(jwt);
    const error: Error = await client.query(chat.me!, {}).catch((thrown) => thrown);
    return JSON.parse(error.message) as { code: string; message: string };
  };

  test('claims of a sound token reach the function', async () => {
    const client = new ConvexHttpClient(deployment.url, { logger: false });
    client.setAuth(await token({ name: 'Ann', nested: { deep: 1 } }));
    expect(await client.query(chat.me!, {})).toMatchObject({
      name: 'Ann',
      subject: 'user-1',
      issuer: ISSUER,
      tokenIdentifier: `${ISSUER}|user-1`,
      'nested.deep': 1,
    });
    client.setAuth(await token({}, { iss: 'https://issuer.test/any-audience', aud: '' }));
    expect(await client.query(chat.me!, {})).toMatchObject({ subject: 'user-1' });
    client.setAuth(await token({}, { iat: Math.floor(Date.now() / 1000) + 3 }));
    expect(await client.query(chat.me!, {})).toMatchObject({ subject: 'user-1' });
  });

  test('tokens of an OpenID Connect issuer are verified with the keys it publishes', async () => {
    const client = new ConvexHttpClient(deployment.url, { logger: false });
    client.setAuth(await token({ given_name: 'Ann', email_verified: true }, { iss: OIDC }));
    expect(await client.query(chat.me!, {})).toEqual({
      tokenIdentifier: `${OIDC}|user-1`,
      issuer: OIDC,
      subject: 'user-1',
      givenName: 'Ann',
      emailVerified: true,
    });
    expect(await refusal(await token({}, { iss: OIDC, aud: 'another app' }))).toMatchObject({
      code: 'NoAuthProvider',
    });
  });

  test.each([
    ['no token at all', async () => 'not.a', 'InvalidAuthHeader', 'three base64-encoded parts'],
    ['no key id', async () => await token({}, { kid: null }), 'InvalidAuthHeader', "missing a 'kid'"],
    ['an unknown key id', async () => await token({}, { kid: 'other' }), 'InvalidAuthHeader', '"other"'],
    [
      'an unknown issuer',
      async () => await token({}, { iss: 'https://elsewhere.test' }),
      'NoAuthProvider',
      'CustomJWT(issuer=https://issuer.test/one, app_id=app), CustomJWT(issuer=https://issuer.test/any-audience, app_id=none)',
    ],
    ['no audience', async () => await token({}, { aud: '' }), 'InvalidAuthHeader', "'aud'"],
    [
      'a time in the future',
      async () => await token({}, { iat: Math.floor(Date.now() / 1000) + 60 }),
      'InvalidAuthHeader',
      "'iat'",
    ],
    [
      'a time that has passed',
      async () => await token({}, { exp: '1 minute ago' }),
      'InvalidAuthHeader',
      'Token expired',
    ],
    [
      'keys that are no JSON',
      async () => await token({}, { iss: 'https://issuer.test/broken' }),
      'InvalidAuthHeader',
      'Invalid JWKS response body',
    ],
    [
      'keys that cannot be fetched',
      async () => await token({}, { iss: 'https://issuer.test/gone' }),
      'InvalidAuthHeader',
      `JWKS of ${OIDC}/gone could not be fetched: check that the URL is accessible`,
    ],
    [
      'another signature',
      async () => `${(await token()).split('.').slice(0, 2).join('.')}.${'A'.repeat(342)}`,
      'InvalidAuthHeader',
      'Could not decode token',
    ],
  ])('a token with %s is refused with the reason', async (_, make, code, reason) => {
    const { code: found, message } = await refusal(await make());
    expect(found).toBe(code);
    expect(message).toContain(reason);
  });

  test('code may ask why nobody is signed in', async () => {
    const client = new ConvexHttpClient(deployment.url, { logger: false });
    expect(await client.query(chat.whyNobody!, {})).toEqual([null, null]);
    client.setAuth('not.a.token');
    expect(await client.query(chat.whyNobody!, {})).toEqual([
      expect.objectContaining({ code: 'InvalidAuthHeader', details: expect.any(String) }),
      null,
    ]);
  });

  test('a token that is not good stops only a function that asks who calls', async () => {
    const client = new ConvexHttpClient(deployment.url, { logger: false });
    client.setAuth('not.a.token');
    expect(await client.mutation(chat.nothing!, {})).toBe('done');
    await expect(client.query(chat.me!, {})).rejects.toThrow('InvalidAuthHeader');
    await expect(client.query(chat.meOrNobody!, {})).rejects.toThrow('InvalidAuthHeader');
  });

  test('an admin key acts for a user, also where it comes without the name of its instance', async () => {
    for (const key of [ADMIN_KEY, ADMIN_KEY.split('|')[1]!]) {
      const client = new ConvexHttpClient(deployment.url, { logger: false });
      (client as unknown as { setAdminAuth(key: string, identity: object): void }).setAdminAuth(key, {
        issuer: 'abc',
        subject: 'def',
        name: 'Zoë 🙃',
      });
      expect(await client.query(chat.me!, {})).toMatchObject({ name: 'Zoë 🙃', tokenIdentifier: 'abc|def' });
    }
  });

  test('a mutation signs tokens that the published keys verify', async () => {
    const client = new ConvexHttpClient(deployment.url, { logger: false });
    const claims = { sub: 'ann', aud: 'elsewhere', plan: { seats: 3 } };
    const signed = await client.mutation(chat.sign!, { claims, expiresInSeconds: 60 });
    const published = createRemoteJWKSet(new URL(`${deployment.url}/.well-known/jwks.json`));
    const { payload, protectedHeader } = await jwtVerify(signed, published, { issuer: deployment.url });
    expect(payload).toMatchObject(claims);
    expect(payload.exp! - payload.iat!).toBe(60);
    expect(protectedHeader.alg).toBe('ES256');
    const again = await client.mutation(chat.sign!, { claims: {}, expiresInSeconds: 1 });
    expect(decodeProtectedHeader(again).kid).toBe(protectedHeader.kid);
  });

  test.each([
    [{ iss: 'me' }, 60, 'iss'],
    [{ CvxRole: 'admin' }, 60, 'CvxRole'],
    [{}, 0, 'between 1 and 3600'],
    [{}, 3601, 'between 1 and 3600'],
  ])('a token with %j for %d s is not signed', async (claims, expiresInSeconds, reason) => {
    const client = new ConvexHttpClient(deployment.url, { logger: false });
    await expect(client.mutation(chat.sign!, { claims, expiresInSeconds })).rejects.toThrow(reason);
  });

  test('a client that signs in and out sees its queries change', async () => {
    const client = track(new ConvexClient(deployment.url, { logger: false }));
    const seen: unknown[] = [];
    client.onUpdate(chat.me!, {}, (identity: { name: string } | null) => seen.push(identity?.name ?? null));
    await vi.waitFor(() => expect(seen).toEqual([null]), 20_000);
    const fetched: Array<Promise<string>> = [];
    client.setAuth(async () => {
      fetched.push(token({ name: 'Ann' }));
      return await fetched.at(-1);
    });
    await vi.waitFor(() => expect(seen).toEqual([null, 'Ann']), 20_000);
    // The client asks once more, for a fresh token, and would sign in again with that.
    await vi.waitFor(() => expect(fetched).toHaveLength(2), 20_000);
    await Promise.all(fetched);
    await client.query(chat.count!, {});
    (client.client as BaseConvexClient).clearAuth();
    await vi.waitFor(() => expect(seen).toEqual([null, 'Ann', null]), 20_000);
  });

  test('a wrong admin key is refused with the code the CLI knows', async () => {
    const check = async (key: string) => {
      const response = await fetch(`${deployment.url}/api/check_admin_key`, {
        headers: { authorization: `Convex ${key}` },
      });
      return [response.status, ((await response.json()) as { code?: string }).code];
    };
    expect(await check('other|00')).toEqual([401, 'BadAdminKey']);
    expect(await check(ADMIN_KEY)).toEqual([200, undefined]);
    expect(await check(`prod:${ADMIN_KEY}`)).toEqual([200, undefined]);
    const without = await fetch(`${deployment.url}/api/check_admin_key`);
    expect([without.status, await without.json()]).toMatchObject([403, { code: 'BadDeployKey' }]);
    const client = await raw();
    client.send({ type: 'Authenticate', tokenType: 'Admin', value: 'other|00', baseVersion: 0 });
    expect(await client.next()).toMatchObject({ type: 'AuthError', authUpdateAttempted: true });
  });
});
