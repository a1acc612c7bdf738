import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { expect, test, vi } from 'vitest';
import { HealthError } from './health-error.ts';
import type { Probe } from './probe.ts';
import { tcp } from './tcp.ts';
import { pauseAfter, waitUntil } from './wait-until.ts';

const never: Probe = async () => {
  throw new Error('still loading the index');
};

async function failure(promise: Promise<unknown>): Promise<HealthError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(HealthError);
  return error as HealthError;
}

test('resolves at the first answer that is "ready" and says how long it took', async () => {
  let calls = 0;
  const probe: Probe = async () => {
    calls += 1;
    if (calls < 4) throw new Error('not yet');
  };
  const waited = await waitUntil(probe, { timeoutMs: 5000 });
  expect(waited.attempts).toBe(4);
  expect(waited.elapsedMs).toBeGreaterThan(0);
});

test('the timeout error names what was waited for, the number of probes and the last answer', async () => {
  const error = await failure(waitUntil(never, { timeoutMs: 60, what: 'search' }));
  expect(error.code).toBe('HEALTH_TIMEOUT');
  expect(error.message).toMatch(
    /^search was not ready after 60 ms \(\d+ probes?\); last answer: still loading/,
  );
  expect(error.cause).toEqual(new Error('still loading the index'));
  expect(error.hint).toBeTruthy();
});

test('a timeout while the first probe hangs says that there was no answer', async () => {
  const hanging: Probe = () => new Promise(() => {});
  const error = await failure(waitUntil(hanging, { timeoutMs: 30 }));
  expect(error.message).toBe('the service was not ready after 30 ms (1 probe); last answer: no answer');
});

test('waits without end where no end is set', async () => {
  let calls = 0;
  const probe: Probe = async () => {
    calls += 1;
    if (calls < 3) throw new Error('not yet');
  };
  const forever = Number.POSITIVE_INFINITY;
  expect((await waitUntil(probe, { timeoutMs: forever, attemptTimeoutMs: forever })).attempts).toBe(3);
});

test('a probe that hangs is given up and asked again', async () => {
  let calls = 0;
  const aborted: unknown[] = [];
  const probe: Probe = (signal) => {
    calls += 1;
    if (calls > 1) return Promise.resolve();
    signal.addEventListener('abort', () => aborted.push(signal.reason));
    return new Promise(() => {});
  };
  const waited = await waitUntil(probe, { timeoutMs: 5000, attemptTimeoutMs: 20 });
  expect(waited.attempts).toBe(2);
  expect(aborted).toEqual([expect.objectContaining({ message: 'no answer within 20 ms' })]);
});

test('fails at once when the process that it waits for exits', async () => {
  const child = spawn(process.execPath, ['-e', 'process.exit(7)'], { stdio: 'ignore' });
  const died = once(child, 'exit').then(([code]) => new Error(`exit code ${code}`));
  const error = await failure(waitUntil(never, { timeoutMs: 60_000, died, what: 'api' }));
  expect(error.code).toBe('HEALTH_DIED');
  expect(error.message).toBe(
    'api ended before it was ready: exit code 7; last answer: still loading the index',
  );
});

test('a death ends the wait in the middle of a probe that ignores its signal', async () => {
  const { promise: died, reject } = Promise.withResolvers<never>();
  const hanging: Probe = () => {
    queueMicrotask(() => reject(new Error('killed by SIGKILL')));
    return new Promise(() => {});
  };
  const error = await failure(waitUntil(hanging, { timeoutMs: 60_000, died }));
  expect(error.message).toContain('killed by SIGKILL');
});

test('what died before the call is not taken for another server that answers in its place', async () => {
  const probe = vi.fn<Probe>(async () => {});
  const died = Promise.resolve(new Error('exit code 1'));
  expect((await failure(waitUntil(probe, { timeoutMs: 1000, died }))).code).toBe('HEALTH_DIED');
  expect((await failure(waitUntil(probe, { timeoutMs: 1000, alive: () => false }))).code).toBe('HEALTH_DIED');
  expect(probe).not.toHaveBeenCalled();
});

test('what dies during the successful probe does not count as ready', async () => {
  let alive = true;
  const probe: Probe = async () => {
    alive = false;
  };
  expect((await failure(waitUntil(probe, { timeoutMs: 1000, alive: () => alive }))).code).toBe('HEALTH_DIED');
});

test('an aborted signal ends the wait with its own reason', async () => {
  const controller = new AbortController();
  const waiting = waitUntil(never, {
    timeoutMs: 60_000,
    signal: controller.signal,
    onAnswer: () => controller.abort(new Error('Ctrl-C')),
  });
  await expect(waiting).rejects.toThrow('Ctrl-C');
  await expect(waitUntil(never, { timeoutMs: 1000, signal: controller.signal })).rejects.toThrow('Ctrl-C');
});

test('a probe that throws synchronously counts as an answer', async () => {
  const probe = (() => {
    throw new Error('thrown');
  }) as unknown as Probe;
  expect((await failure(waitUntil(probe, { timeoutMs: 20 }))).message).toContain('last answer: thrown');
});

test('notices a server that begins to listen while it waits', async () => {
  const server = createServer((socket) => socket.end());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  const waiting = waitUntil(tcp({ port }), {
    timeoutMs: 10_000,
    onAnswer: (_, attempt) => {
      if (attempt === 2) server.listen(port, '127.0.0.1');
    },
  });
  expect((await waiting).attempts).toBeGreaterThan(2);
  await new Promise((resolve) => server.close(resolve));
});

test('pauses grow from 5 to 250 ms and stay at 15 ms for the first three seconds', () => {
  expect(pauseAfter(0)).toBe(5);
  expect(pauseAfter(700)).toBe(5);
  expect(pauseAfter(3000)).toBe(15);
  expect(pauseAfter(3_600_000)).toBe(250);
  expect(pauseAfter(0, 8)).toBe(8);
  expect(pauseAfter(0, 900)).toBe(15);
});
