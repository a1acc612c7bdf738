import type { Socket } from 'node:net';
import { HealthError } from './health-error.ts';
import type { Probe } from './probe.ts';
import { withSocket } from './socket.ts';

/**
 * Ready when `PING` is answered with `PONG`, after `AUTH` where the URL holds credentials. Also `rediss://`. A server
 * that still loads its data is not ready.
 */
export function redis(url: string | URL): Probe {
  const parsed = URL.parse(String(url));
  if (!parsed || !/^rediss?:$/.test(parsed.protocol) || parsed.hostname === '') {
    throw new HealthError('HEALTH_TARGET', 'The Redis probe needs a redis:// or rediss:// URL with a host.', {
      hint: 'Pass a URL such as redis://:password@127.0.0.1:6379.',
    });
  }
  const host = parsed.hostname.replace(/^\[|\]$/g, '');
  const port = Number(parsed.port || 6379);
  const name = `Redis at ${host}:${port}`;
  const commands = [...credentialsOf(parsed), ['PING']];
  return (signal) =>
    withSocket({ host, port, tls: parsed.protocol === 'rediss:' }, signal, async (socket) => {
      const replies = lines(socket);
      for (const command of commands) {
        socket.write(encode(command));
        const { value: reply } = await replies.next();
        if (reply === undefined) throw new HealthError('HEALTH_UNREADY', `${name} closed the connection`);
        const expected = command[0] === 'AUTH' ? '+OK' : '+PONG';
        if (reply !== expected)
          throw new HealthError('HEALTH_UNREADY', `${name} answered: ${reply.slice(0, 200)}`);
      }
    });
}

function credentialsOf({ username, password }: URL): string[][] {
  if (password === '') return [];
  const user = username === '' ? [] : [decodeURIComponent(username)];
  return [['AUTH', ...user, decodeURIComponent(password)]];
}

/** A command in RESP, the Redis serialization protocol. */
function encode(words: readonly string[]): string {
  return `*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('')}`;
}

/** The lines that arrive. Replies to AUTH and PING are one line each. */
async function* lines(socket: Socket): AsyncGenerator<string, undefined> {
  let text = '';
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    text += chunk;
    for (let end = text.indexOf('\r\n'); end >= 0; end = text.indexOf('\r\n')) {
      yield text.slice(0, end);
      text = text.slice(end + 2);
    }
    if (text.length > 4096) break;
  }
}
