import { randomUUID } from 'node:crypto';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ConvexHttpClient } from 'convex/browser';
import { anyApi } from 'convex/server';
import WebSocket from 'ws';
import { BENCH_APP, Project, startInProcess } from '../bench/deployment.ts';

const rows = anyApi.rows!;
const WRITERS = 4;

/** Sends mutations as fast as they are answered until the connection breaks, as one client with one session. */
class Writer {
  readonly session = randomUUID();
  /** Keys by request, for what was sent and not answered. */
  readonly open = new Map<number, number>();
  readonly acknowledged = new Set<number>();
  #nextRequest = 0;

  /** Runs until the connection is gone. Unanswered requests of the last connection are sent again first. */
  async run(url: string, nextKey: () => number): Promise<void> {
    const socket = new WebSocket(`${url.replace('http', 'ws')}/api/sync`);
    socket.on('error', () => {});
    const gone = new Promise((resolve) => socket.on('close', resolve));
    socket.on('open', () => {
      socket.send(
        JSON.stringify({
          type: 'Connect',
          sessionId: this.session,
          connectionCount: 0,
          lastCloseReason: null,
        }),
      );
      for (const [request, key] of this.open) this.#send(socket, request, key);
      if (this.open.size === 0) this.#sendNext(socket, nextKey());
    });
    socket.on('message', (data) => {
      const message = JSON.parse(String(data)) as { type: string; requestId: number; success: boolean };
      if (message.type !== 'MutationResponse') return;
      const key = this.open.get(message.requestId);
      if (key === undefined || !message.success) return;
      this.open.delete(message.requestId);
      this.acknowledged.add(key);
      this.#sendNext(socket, nextKey());
    });
    await gone;
  }

  #sendNext(socket: WebSocket, key: number): void {
    const request = this.#nextRequest++;
    this.open.set(request, key);
    this.#send(socket, request, key);
  }

  #send(socket: WebSocket, request: number, key: number): void {
    const args = [{ key, text: 'crash' }];
    socket.send(JSON.stringify({ type: 'Mutation', requestId: request, udfPath: 'rows:add', args }));
  }
}

export interface CrashResult {
  readonly acknowledged: number;
  readonly lost: number;
  readonly twice: number;
}

/** Starts, loads and kills a deployment again and again, then counts what is missing and what is there twice. */
export async function crashRounds(folder: string, rounds: number): Promise<CrashResult> {
  const data = path.join(folder, 'data');
  {
    await using first = await startInProcess(data);
    await new Project(path.join(folder, 'app'), BENCH_APP).push(first.url);
  }
  const writers = Array.from({ length: WRITERS }, () => new Writer());
  let key = 0;
  for (let round = 0; round < rounds; round++) {
    const deployment = await startInProcess(data);
    const running = writers.map((writer) => writer.run(deployment.url, () => key++));
    const before = acknowledgedBy(writers);
    while (acknowledgedBy(writers) < before + WRITERS) await delay(5); // under load, however slow the machine is
    await delay(Math.random() * 100);
    deployment.process.kill('SIGKILL');
    await Promise.all(running);
  }
  await using last = await startInProcess(data);
  const client = new ConvexHttpClient(last.url, { logger: false });
  const counts = new Map<number, number>();
  for (let from = 0; from < key; ) {
    const found: number[] = await client.query(rows.keys!, { from });
    if (found.length === 0) break;
    // The last key may continue in the next part.
    const end = found.length < 8000 ? Number.POSITIVE_INFINITY : found.at(-1)!;
    for (const each of found) if (each < end) counts.set(each, (counts.get(each) ?? 0) + 1);
    from = end;
  }
  const acknowledged = writers.flatMap((writer) => [...writer.acknowledged]);
  return {
    acknowledged: acknowledged.length,
    lost: acknowledged.filter((each) => !counts.has(each)).length,
    twice: [...counts.values()].filter((count) => count > 1).length,
  };
}

function acknowledgedBy(writers: readonly Writer[]): number {
  return writers.reduce((count, writer) => count + writer.acknowledged.size, 0);
}
