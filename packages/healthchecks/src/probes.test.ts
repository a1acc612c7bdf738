import { createServer as createHttpServer, type RequestListener } from 'node:http';
import { createServer, type Server } from 'node:net';
import { inspect } from 'node:util';
import pg from 'pg';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { startPostgresServer } from '../test/postgres-server.ts';
import { convex } from './convex.ts';
import { http } from './http.ts';
import { postgres } from './postgres.ts';
import { probeOnce } from './probe.ts';
import { redis } from './redis.ts';
import { s3 } from './s3.ts';
import { tcp } from './tcp.ts';

const opened: Server[] = [];

afterEach(async () => {
  for (const server of opened.splice(0)) await new Promise((resolve) => server.close(resolve));
});

async function listen(server: Server): Promise<number> {
  opened.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as { port: number }).port;
}

/** A port that was free a moment ago. */
async function freePort(): Promise<number> {
  const port = await listen(createServer());
  await new Promise((resolve) => opened.pop()?.close(resolve));
  return port;
}

const serve = (listener: RequestListener) => listen(createHttpServer(listener));
const signal = () => AbortSignal.timeout(5000);

describe('tcp', () => {
  test('is ready when a connection is accepted', async () => {
    const port = await listen(createServer((socket) => socket.end()));
    await tcp({ port })(signal());
  });

  test('says who refused', async () => {
    const port = await freePort();
    await expect(tcp({ port })(signal())).rejects.toMatchObject({
      code: 'HEALTH_UNREADY',
      message: `127.0.0.1:${port} refused the connection`,
    });
  });

  test('gives the reason of an aborted signal', async () => {
    await expect(tcp({ port: 1 })(AbortSignal.abort(new Error('stop')))).rejects.toThrow('stop');
  });
});

describe('http', () => {
  test('is ready on 2xx and quotes the answer otherwise', async () => {
    let status = 503;
    const port = await serve((_, res) => res.writeHead(status).end('warming up\nsecond line'));
    const probe = http(`http://user:hunter2@127.0.0.1:${port}/readyz?token=hunter2`);
    await expect(probe(signal())).rejects.toMatchObject({
      message: `http://127.0.0.1:${port}/readyz answered 503: warming up`,
    });
    status = 204;
    await probe(signal());
  });

  test('takes a redirect as an answer, and the expected status as the caller gives it', async () => {
    const port = await serve((_, res) => res.writeHead(302, { location: '/login' }).end());
    const url = `http://127.0.0.1:${port}/`;
    await expect(http(url)(signal())).rejects.toThrow('answered 302');
    await http(url, { expectStatus: 302 })(signal());
    await http(url, { expectStatus: [200, 302] })(signal());
    await http(url, { expectStatus: (status) => status < 500 })(signal());
  });

  test('checks the body', async () => {
    const port = await serve((_, res) => res.end('status: green'));
    const url = `http://127.0.0.1:${port}/`;
    await http(url, { expectBody: 'green' })(signal());
    await http(url, { expectBody: /^status/ })(signal());
    await expect(http(url, { expectBody: 'blue' })(signal())).rejects.toThrow(
      'unexpected body: status: green',
    );
  });

  test('does not wait for the end of an endless body', async () => {
    const port = await serve((_, res) => {
      const timer = setInterval(() => res.write('x'.repeat(16 * 1024)), 1);
      res.on('close', () => clearInterval(timer));
    });
    await http(`http://127.0.0.1:${port}/`)(signal());
  });

  test('leaves no connection open, and closes a hanging one on abort', async () => {
    const server = createHttpServer((_, res) => void res.writeHead(200).flushHeaders());
    const port = await listen(server);
    await expect(probeOnce(http(`http://127.0.0.1:${port}/`), { timeoutMs: 100 })).rejects.toThrow(
      'no answer within 100 ms',
    );
    await vi.waitFor(async () => {
      expect(await new Promise((resolve) => server.getConnections((_, count) => resolve(count)))).toBe(0);
    }, 10_000);
  });

  test('refuses a target that is no HTTP URL without repeating it', () => {
    expect(() => http('user:hunter2@host')).toThrow(expect.objectContaining({ code: 'HEALTH_TARGET' }));
    expect(() => http('user:hunter2@host')).not.toThrow('hunter2');
  });
});

describe('postgres', () => {
  test('is ready when SELECT 1 is answered on the target database', async () => {
    await using server = await startPostgresServer();
    await postgres(`postgresql://app:hunter2@127.0.0.1:${server.port}/warehouse`, pg)(signal());
    expect(server.databases).toEqual(['warehouse']);
    await vi.waitFor(() => expect(server.openConnections()).toBe(0), 10_000);
  });

  test('repeats the answer of a server that starts up or lacks the database, without the password', async () => {
    await using server = await startPostgresServer();
    const probe = postgres(`postgresql://app:hunter2@127.0.0.1:${server.port}/warehouse`, pg);
    server.state = 'starting';
    await expect(probe(signal())).rejects.toMatchObject({
      code: 'HEALTH_UNREADY',
      message: `PostgreSQL at 127.0.0.1:${server.port}, database "warehouse" answered: the database system is starting up (SQLSTATE 57P03)`,
    });
    server.state = 'no-database';
    const error = await probe(signal()).catch((reason: unknown) => reason);
    expect(String(error)).toContain('database "warehouse" does not exist (SQLSTATE 3D000)');
    expect(inspect(error, { depth: 10 })).not.toContain('hunter2');
    server.state = 'ready';
    await probe(signal());
  });

  test('lets go of a server that accepts and stays silent', async () => {
    await using server = await startPostgresServer();
    server.state = 'silent';
    const probe = postgres(`postgresql://app@127.0.0.1:${server.port}/app`, pg);
    await expect(probeOnce(probe, { timeoutMs: 100 })).rejects.toThrow('no answer within 100 ms');
    await vi.waitFor(() => expect(server.openConnections()).toBe(0), 10_000);
  });

  test('says that nobody listens', async () => {
    const port = await freePort();
    await expect(postgres(`postgresql://app@127.0.0.1:${port}/app`, pg)(signal())).rejects.toThrow(
      `PostgreSQL at 127.0.0.1:${port}, database "app" refused the connection`,
    );
  });

  test('asks through a pool or client that it is given', async () => {
    const asked: string[] = [];
    await postgres({ query: async (text) => asked.push(text) })(signal());
    expect(asked).toEqual(['SELECT 1']);
  });

  test('wants a URL with a host, and the driver', () => {
    expect(() => postgres('postgresql:///app', pg)).toThrow(
      expect.objectContaining({ code: 'HEALTH_TARGET' }),
    );
    expect(() => postgres('mysql://127.0.0.1/app', pg)).toThrow('needs a postgresql:// URL');
  });
});

describe('redis', () => {
  /** Answers like a server with a password, one byte at a time. */
  async function startRedis(state: { loading: boolean }): Promise<number> {
    return listen(
      createServer((socket) => {
        let authenticated = false;
        const reply = (text: string) => {
          for (const byte of text) socket.write(byte);
        };
        socket.on('data', (data) => {
          const words = data
            .toString()
            .split('\r\n')
            .filter((_, index) => index > 0 && index % 2 === 0);
          if (words[0] === 'AUTH') {
            authenticated = words.at(-1) === 'pä:ss';
            reply(authenticated ? '+OK\r\n' : '-WRONGPASS invalid username-password pair\r\n');
          } else if (!authenticated) reply('-NOAUTH Authentication required.\r\n');
          else reply(state.loading ? '-LOADING Redis is loading the dataset in memory\r\n' : '+PONG\r\n');
        });
      }),
    );
  }

  test('is ready when PING is answered, after AUTH', async () => {
    const state = { loading: true };
    const port = await startRedis(state);
    const probe = redis(`redis://app:p%C3%A4%3Ass@127.0.0.1:${port}/0`);
    await expect(probe(signal())).rejects.toThrow(`Redis at 127.0.0.1:${port} answered: -LOADING`);
    state.loading = false;
    await probe(signal());
    await redis(`redis://:p%C3%A4%3Ass@127.0.0.1:${port}`)(signal());
  });

  test('repeats a refusal but not the password', async () => {
    const port = await startRedis({ loading: false });
    await expect(redis(`redis://127.0.0.1:${port}`)(signal())).rejects.toThrow(
      '-NOAUTH Authentication required.',
    );
    const error = await redis(`redis://:hunter2@127.0.0.1:${port}`)(signal()).catch(
      (reason: unknown) => reason,
    );
    expect(String(error)).toContain('WRONGPASS');
    expect(inspect(error, { depth: 10 })).not.toContain('hunter2');
  });

  test('says that the server closed the connection, that nobody listens, or that the target is no Redis URL', async () => {
    const closing = await listen(createServer((socket) => socket.resume().end()));
    await expect(redis(`redis://127.0.0.1:${closing}`)(signal())).rejects.toThrow('closed the connection');
    const port = await freePort();
    await expect(redis(`redis://127.0.0.1:${port}`)(signal())).rejects.toThrow('refused the connection');
    expect(() => redis('http://127.0.0.1')).toThrow(expect.objectContaining({ code: 'HEALTH_TARGET' }));
  });
});

describe('s3', () => {
  test("asks what the caller wants to know through the caller's client", async () => {
    const sent: unknown[] = [];
    const command = { Bucket: 'documents' };
    await s3({ send: async (given: typeof command) => sent.push(given) }, command)(signal());
    expect(sent).toEqual([command]);
    const missing = {
      send: () => Promise.reject(Object.assign(new Error('UnknownError'), { name: 'NotFound' })),
    };
    await expect(s3(missing, command)(signal())).rejects.toThrow(
      'The object store answered: NotFound (UnknownError)',
    );
  });

  test('takes the refusal of an anonymous request for life', async () => {
    let status = 403;
    const port = await serve((_, res) =>
      res.writeHead(status).end('<Error><Code>AccessDenied</Code></Error>'),
    );
    await s3(`http://127.0.0.1:${port}/`)(signal());
    status = 500;
    await expect(s3(`http://127.0.0.1:${port}/`)(signal())).rejects.toThrow('answered 500');
  });
});

// only: convex
test('convex is ready when /version answers, "unknown" included, and not when it is a page', async () => {
  let body = 'unknown';
  const paths: (string | undefined)[] = [];
  const port = await serve((req, res) => {
    paths.push(req.url);
    res.end(body);
  });
  const probe = convex(`http://127.0.0.1:${port}/`);
  await probe(signal());
  body = '<!doctype html>';
  await expect(probe(signal())).rejects.toThrow('unexpected body');
  expect(paths).toEqual(['/version', '/version']);
});
// /only
