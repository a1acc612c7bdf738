import { createServer } from 'node:http';
import { expect, test, vi } from 'vitest';
import { fetchHandler, nodeHandler } from './handlers.ts';
import { createHealth, type HealthReport } from './health.ts';
import type { Probe } from './probe.ts';

const good: Probe = async () => {};
const bad: Probe = async () => {
  throw new Error('the database system is starting up');
};

test('is live without a look at any dependency', () => {
  const probe = vi.fn(bad);
  expect(createHealth({ checks: { postgres: probe } }).live()).toEqual({ status: 'live' });
  expect(probe).not.toHaveBeenCalled();
});

test('is ready when every check passes, and tells each one', async () => {
  expect(await createHealth({ checks: { postgres: good, queue: good } }).ready()).toEqual({
    status: 'ready',
    checks: {
      postgres: { status: 'ok', ms: expect.any(Number) },
      queue: { status: 'ok', ms: expect.any(Number) },
    },
  });
  expect(await createHealth({ checks: { postgres: bad, queue: good } }).ready()).toEqual({
    status: 'not ready',
    checks: {
      postgres: { status: 'failed', ms: expect.any(Number), message: 'the database system is starting up' },
      queue: { status: 'ok', ms: expect.any(Number) },
    },
  });
});

test('callers at the same time share one run, and for the cache time its result', async () => {
  vi.useFakeTimers({ toFake: ['performance'] });
  try {
    const probe = vi.fn(good);
    const health = createHealth({ checks: { postgres: probe } });
    await Promise.all([health.ready(), health.ready(), health.ready()]);
    expect(probe).toHaveBeenCalledTimes(1);
    vi.advanceTimersByTime(999);
    await health.ready();
    expect(probe).toHaveBeenCalledTimes(1);
    vi.advanceTimersByTime(1);
    await health.ready();
    expect(probe).toHaveBeenCalledTimes(2);
  } finally {
    vi.useRealTimers();
  }
});

test('a check that hangs fails by itself and does not hold back the report', async () => {
  const hanging: Probe = () => new Promise(() => {});
  const report = await createHealth({ checks: { search: hanging, queue: good }, timeoutMs: 20 }).ready();
  expect(report.checks?.search).toMatchObject({ status: 'failed', message: 'no answer within 20 ms' });
  expect(report.checks?.queue?.status).toBe('ok');
});

test('is not ready from the moment it shuts down, also for those who already wait', async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const health = createHealth({ checks: { postgres: () => promise } });
  const waiting = health.ready();
  health.shutDown();
  resolve();
  expect(await waiting).toEqual({ status: 'shutting down' });
  expect(await health.ready()).toEqual({ status: 'shutting down' });
  expect(health.live()).toEqual({ status: 'live' });
});

test('serves /livez and /readyz on a Node server and leaves other paths to the application', async () => {
  const health = createHealth({ checks: { postgres: good } });
  const handle = nodeHandler(health);
  const server = createServer(async (req, res) => {
    if (!(await handle(req, res))) res.writeHead(418).end('application');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const base = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
  const get = (path: string, init?: RequestInit) =>
    fetch(base + path, { ...init, headers: { connection: 'close' } });
  try {
    const ready = await get('/readyz?verbose');
    expect([ready.status, ready.headers.get('content-type'), ready.headers.get('cache-control')]).toEqual([
      200,
      'application/json',
      'no-store',
    ]);
    expect(((await ready.json()) as HealthReport).checks?.postgres?.status).toBe('ok');
    const head = await get('/livez', { method: 'HEAD' });
    expect([head.status, await head.text()]).toEqual([200, '']);
    expect((await get('/livez', { method: 'POST' })).status).toBe(405);
    expect(await (await get('/')).text()).toBe('application');
    health.shutDown();
    expect((await get('/readyz')).status).toBe(503);
    expect((await get('/livez')).status).toBe(200);
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
});

test('serves the same to a Fetch server', async () => {
  const handle = fetchHandler(createHealth({ checks: { postgres: bad } }));
  const response = await handle(new Request('http://127.0.0.1/readyz'));
  expect(response?.status).toBe(503);
  expect(await response?.json()).toMatchObject({ status: 'not ready' });
  expect((await handle(new Request('http://127.0.0.1/livez')))?.status).toBe(200);
  expect((await handle(new Request('http://127.0.0.1/readyz', { method: 'HEAD' })))?.body).toBeNull();
  expect(await handle(new Request('http://127.0.0.1/elsewhere'))).toBeUndefined();
});
