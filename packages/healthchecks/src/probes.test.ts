import { createServer as createHttpServer, type RequestListener } from 'node:http';
import { createServer, type Server } from 'node:net';
import { inspect } from 'node:util';
import pg from 'pg';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { startPostgresServer } from '../test/postgres-server.ts';
import { http } from './http.ts';
import { postgres } from './postgres.ts';
import { probeOnce } from './probe.ts';
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
    });
  });

  test('refuses a target that is no HTTP URL without repeating it', () => {
    expect(() => http('user:hunter2@host')).toThrow(expect.objectContaining({ code: 'HEALTH_TARGET' }));
    expect(() => http('user:hunter2@host')).not.toThrow('hunter2');
  });
});

describe('postgres', () => {
  test('is ready when SELECT 1 is answered on the target database', async () => {
    await using server = await startPostgresServer();
    await postgres(`postgresql://app:hunter2@127.0.0.1:${server.port}/school_erp`, pg)(signal());
    expect(server.databases).toEqual(['school_erp']);
    await vi.waitFor(() => expect(server.openConnections()).toBe(0));
  });

  test('repeats the answer of a server that starts up or lacks the database, without the password', async () => {
    await using server = await startPostgresServer();
    const probe = postgres(`postgresql://app:hunter2@127.0.0.1:${server.port}/school_erp`, pg);
    server.state = 'starting';
    await expect(probe(signal())).rejects.toMatchObject({
      code: 'HEALTH_UNREADY',
      message: `PostgreSQL at 127.0.0.1:${server.port}, database "school_erp" answered: the database system is starting up (SQLSTATE 57P03)`,
    });
    server.state = 'no-database';
    const error = await probe(signal()).catch((reason: unknown) => reason);
    expect(String(error)).toContain('database "school_erp" does not exist (SQLSTATE 3D000)');
    expect(inspect(error, { depth: 10 })).not.toContain('hunter2');
    server.state = 'ready';
    await probe(signal());
  });

  test('lets go of a server that accepts and stays silent', async () => {
    await using server = await startPostgresServer();
    server.state = 'silent';
    const probe = postgres(`postgresql://app@127.0.0.1:${server.port}/app`, pg);
    await expect(probeOnce(probe, { timeoutMs: 100 })).rejects.toThrow('no answer within 100 ms');
    await vi.waitFor(() => expect(server.openConnections()).toBe(0));
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
