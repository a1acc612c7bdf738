import { readFileSync } from 'node:fs';
import path from 'node:path';
import { issueUploadToken } from '@stackyard/convex-selfhost';
import { ConvexHttpClient } from 'convex/browser';
import { anyApi } from 'convex/server';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import type { RunningConvexLocal } from '../src/index.ts';
import { FEATURE_APP } from './feature-app.ts';
import { ADMIN_KEY, INSTANCE, Project, startDeployment, temporaryFolder } from './project.ts';

const folder = temporaryFolder();
let deployment: RunningConvexLocal;
let project: Project;
let client: ConvexHttpClient;
const notes = anyApi.notes!;
const calls = anyApi.calls!;
const jobs = anyApi.jobs!;
const files = anyApi.files!;
const tools = anyApi['node/tools']!;

beforeAll(async () => {
  deployment = await startDeployment(path.join(folder.path, 'data'));
  project = new Project(path.join(folder.path, 'app'), FEATURE_APP);
  await project.push(deployment.url);
  client = new ConvexHttpClient(deployment.url, { logger: false });
});

afterAll(async () => {
  await deployment[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});

beforeEach(async () => {
  await client.mutation(notes.clear!, {});
});

describe('components', () => {
  test('have their own documents, and roll back alone', async () => {
    await client.mutation(calls.bump!, { by: 3 });
    expect(await client.mutation(calls.partial!, {})).toMatch(
      /^Uncaught Error: tally broke\n {4}at handler \(\.\.\/tally\/ops\.ts:\d+:\d+\)\n$/,
    );
    expect(await client.query(calls.totals!, {})).toEqual([4, 0]);
  });

  test('give handles of their functions, serve HTTP below their prefix, and see no identity', async () => {
    expect(await client.action(calls.viaHandle!, {})).toBe(42);
    expect(await (await fetch(`${deployment.siteUrl}/other/hello`)).text()).toBe('from the component');
    const admin = new ConvexHttpClient(deployment.url, { logger: false });
    (admin as unknown as { setAdminAuth(key: string, identity: object): void }).setAdminAuth(ADMIN_KEY, {
      issuer: 'abc',
      subject: 'def',
    });
    expect(await admin.query(calls.identity!, {})).toEqual([
      { issuer: 'abc', subject: 'def', tokenIdentifier: 'abc|def' },
      null,
    ]);
  });

  test('schedule in their own space', async () => {
    const id = await client.mutation(calls.soonInComponent!, {});
    await vi.waitFor(
      async () => expect(await client.query(calls.jobInComponent!, { id })).toBe('success'),
      20_000,
    );
    expect(await client.query(jobs.state!, { id })).toBeNull();
  });

  test('run what the app schedules, whose job it stays', async () => {
    const [before] = await client.query(calls.totals!, {});
    const id = await client.mutation(calls.bumpSoon!, {});
    expect(await client.query(calls.jobInComponent!, { id })).toBeNull();
    await vi.waitFor(
      async () => expect(await client.query(jobs.state!, { id })).toEqual({ kind: 'success' }),
      20_000,
    );
    expect(await client.query(calls.totals!, {})).toEqual([before + 100, 0]);
  });

  test('keep their own files, whose urls name them', async () => {
    const upload = await client.mutation(calls.fileInComponent!, {});
    const stored = await fetch(upload, { method: 'POST', body: 'tallied' });
    const { storageId: id } = (await stored.json()) as { storageId: string };
    await expect(client.query(files.oldMetadata!, { id })).resolves.toBeNull();
    const url = await client.query(calls.fileUrlInComponent!, { id });
    expect(new URL(url).searchParams.get('component')).toBe('tally');
    expect(await (await fetch(url)).text()).toBe('tallied');
  });
});

describe('jobs', () => {
  const texts = async () => await client.query(notes.ranked!, { author: 'jobs' });

  test('run at their time, once, and can be cancelled before', async () => {
    const soon = await client.mutation(jobs.later!, { delay: 20, text: 'soon' });
    const never = await client.mutation(jobs.later!, { delay: 60 * 24 * 3_600_000, text: 'in 60 days' });
    await client.mutation(jobs.cancel!, { id: never });
    await vi.waitFor(
      async () => expect(await client.query(jobs.state!, { id: soon })).toEqual({ kind: 'success' }),
      20_000,
    );
    expect(await client.query(jobs.state!, { id: never })).toEqual({ kind: 'canceled' });
    expect((await texts()).filter((text: string) => text === 'soon')).toHaveLength(1);
  });

  test('that fail say so and change nothing; a mutation that throws schedules nothing', async () => {
    const id = await client.mutation(jobs.laterFails!, {});
    await vi.waitFor(
      async () =>
        expect(await client.query(jobs.state!, { id })).toMatchObject({
          kind: 'failed',
          error: expect.stringContaining('job failed'),
        }),
      20_000,
    );
    await expect(client.mutation(jobs.scheduleThenThrow!, {})).rejects.toThrow('no');
    await client.action(jobs.fromAction!, {});
    await vi.waitFor(async () => expect(await texts()).toContain('from an action'), 20_000);
    expect(await texts()).not.toContain('never');
    expect(await texts()).not.toContain('lost');
  });

  test('that cancel themselves stay cancelled', async () => {
    const id = await client.mutation(jobs.laterCancelSelf!, {});
    await vi.waitFor(
      async () => expect(await client.query(jobs.state!, { id })).toEqual({ kind: 'canceled' }),
      20_000,
    );
  });

  test('of crons come again and again', async () => {
    await vi.waitFor(async () => expect(await client.query(jobs.ticks!, {})).toBeGreaterThan(1), {
      timeout: 20_000,
    });
  });
});

describe('files', () => {
  async function upload(body: string, headers: Record<string, string> = {}): Promise<Response> {
    const url = await client.mutation(files.uploadUrl!, {});
    return await fetch(url, { method: 'POST', body, headers: { 'content-type': 'text/plain', ...headers } });
  }

  test('are uploaded, described, served in parts, and deleted', async () => {
    const { storageId: id } = (await (await upload('hello world')).json()) as { storageId: string };
    const url = await client.query(files.url!, { id });
    const whole = await fetch(url);
    expect([whole.headers.get('content-type'), await whole.text()]).toEqual(['text/plain', 'hello world']);
    const part = await fetch(url, { headers: { range: 'bytes=6-8' } });
    expect([part.status, part.headers.get('content-range'), await part.text()]).toEqual([
      206,
      'bytes 6-8/11',
      'wor',
    ]);
    const [metadata, document] = await client.query(files.metadata!, { id });
    expect(document).toMatchObject({ _id: id, size: 11, contentType: 'text/plain' });
    expect(Buffer.from(document.sha256, 'base64').toString('hex')).toBe(metadata.sha256);
    expect(await client.query(files.url!, { id: metadata.storageId })).toBe(url);
    await client.mutation(files.remove!, { id });
    expect((await fetch(url)).status).toBe(404);
    await expect(client.mutation(files.remove!, { id })).rejects.toThrow(/storage id \S+ not found/);
    await expect(client.mutation(files.remove!, { id: 'nonsense' })).rejects.toThrow(
      'Invalid argument `storageId` for `storage.delete`',
    );
  });

  test('an empty file, a wrong digest and a wrong token', async () => {
    const { storageId: id } = (await (await upload('')).json()) as { storageId: string };
    const url = await client.query(files.url!, { id });
    const empty = await fetch(url, { headers: { range: 'bytes=0-0' } });
    expect([empty.status, empty.headers.get('content-length')]).toEqual([200, '0']);
    expect((await upload('other', { digest: `sha-256=${Buffer.alloc(32).toString('base64')}` })).status).toBe(
      400,
    );
    const refusal = async (token: string) => {
      const url = `${deployment.url}/api/storage/upload?token=${token}`;
      const response = await fetch(url, { method: 'POST', body: 'x' });
      return [response.status, ((await response.json()) as { code: string }).code];
    };
    expect(await refusal('coffee')).toEqual([401, 'StorageTokenInvalid']);
    const old = issueUploadToken(INSTANCE, '', new Date(Date.now() - 61 * 60_000));
    expect(await refusal(old)).toEqual([401, 'StorageTokenExpired']);
    expect(await refusal(issueUploadToken({ ...INSTANCE, instanceName: 'other' }))).toEqual([
      401,
      'StorageTokenInvalid',
    ]);
  });

  test('an upload url outlives the engine', async () => {
    const url = await client.mutation(files.uploadUrl!, {});
    await expect(client.query(notes.block!, {})).rejects.toThrow('timed out');
    expect((await fetch(url, { method: 'POST', body: 'later' })).status).toBe(200);
  });

  test('actions store and read blobs', async () => {
    const id = await client.action(files.store!, { text: 'blob' });
    expect(await client.action(files.read!, { id })).toEqual(['blob', 'text/plain']);
    const { storageId } = await client.query(files.oldMetadata!, { id });
    expect(await client.action(files.read!, { id: storageId })).toEqual(['blob', 'text/plain']);
  });
});

describe('HTTP actions', () => {
  const get = (route: string, init?: RequestInit) => fetch(deployment.siteUrl + route, init);

  test('are routed by path, prefix and method', async () => {
    const echo = await get('/echo', { method: 'POST', body: 'ping' });
    expect([echo.status, echo.headers.get('x-method'), await echo.text()]).toEqual([201, 'POST', 'ping']);
    expect(await (await get('/files/a/b')).json()).toEqual({ path: '/files/a/b' });
    expect(echo.headers.get('content-length')).toBe('4');
    expect((await get('/echo')).status).toBe(404);
    expect(await (await fetch(`${deployment.url}/http/files/x`)).json()).toEqual({ path: '/files/x' });
    expect(await (await get('/stream')).text()).toBe('abc');
  });

  test('that throw answer with the error and its frames', async () => {
    const boom = await get('/boom');
    expect([boom.status, await boom.json()]).toMatchObject([
      500,
      {
        code: expect.stringMatching(/^\[Request ID: [0-9a-f]{16}\] Server Error: Uncaught Error: broken$/),
        trace: expect.stringMatching(/^Uncaught Error: broken\n {4}at <anonymous> \(\.\.\/convex\/http\.ts:/),
      },
    ]);
    expect(await (await get('/refuse')).json()).toMatchObject({ data: 'no' });
  });

  test('get a foreign Authorization header as it is', async () => {
    const who = await get('/who', { headers: { authorization: 'Bearer not-a-token' } });
    expect(await who.json()).toEqual({ identity: null, header: 'Bearer not-a-token' });
  });
});

test('code generation knows the functions of a component', async () => {
  await project.convex(deployment.url, 'codegen', '--typecheck', 'disable');
  const generated = readFileSync(path.join(project.root, 'tally', '_generated', 'component.ts'), 'utf8');
  expect(generated).toMatch(
    /ops: \{\s*bump: FunctionReference<\s*"mutation",\s*"internal",\s*\{ by: number \}/,
  );
});

describe('Node actions', () => {
  test('may require what their bundle leaves out', async () => {
    expect(await client.action(tools.required!, {})).toBe('b');
  });

  test('use Node, and show their frames as Convex does', async () => {
    expect(await client.action(tools.platform!, {})).toBe(process.platform);
    expect(await client.action(tools.stack!, {})).toContain('at inner (convex:/user/node/tools.js:');
  });

  test('that throw in a callback, or wait for nothing, are ended', async () => {
    await expect(client.action(tools.crash!, {})).rejects.toThrow('uncaughtException: thrown in a callback');
    await expect(client.action(tools.deadlock!, {})).rejects.toThrow(
      'Action `deadlock` execution timed out (maximum duration',
    );
  });

  test('log lines arrive as Convex formats them', async () => {
    const response = await fetch(`${deployment.url}/api/action`, {
      method: 'POST',
      body: JSON.stringify({ path: 'node/tools:timers', args: {} }),
    });
    const { logLines } = (await response.json()) as { logLines: string[] };
    expect(logLines).toEqual([
      "[WARN] 'Timer 't' already exists'",
      expect.stringMatching(/^\[INFO\] 't: \d+ms' 'x'$/),
      expect.stringMatching(/^\[INFO\] 't: \d+ms'$/),
      "[LOG] { a: 1 } 'text'",
    ]);
  });
});
