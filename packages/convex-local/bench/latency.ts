// How fast a mutation comes back, reaches another client, and reaches a hundred of them; against bare WebSockets.
import { once } from 'node:events';
import path from 'node:path';
import { ConvexClient } from 'convex/browser';
import { anyApi } from 'convex/server';
import WebSocket, { WebSocketServer } from 'ws';
import { BENCH_APP, Project, startInProcess, temporaryFolder } from './deployment.ts';
import { percentile, report } from './measure.ts';

const ROUNDS = 400;
const CROWD = 100;
const rows = anyApi.rows!;

using folder = temporaryFolder();
await using deployment = await startInProcess(path.join(folder.path, 'data'));
await new Project(path.join(folder.path, 'app'), BENCH_APP).push(deployment.url);

/** A server that answers each message to everybody: the floor under any protocol on WebSockets. */
async function bareWebSockets(clients: number): Promise<number[]> {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
  await once(server, 'listening');
  server.on('connection', (socket) =>
    socket.on('message', (data) => {
      for (const client of server.clients) client.send(data);
    }),
  );
  const { port } = server.address() as { port: number };
  const sockets = Array.from({ length: clients }, () => new WebSocket(`ws://127.0.0.1:${port}`));
  await Promise.all(sockets.map((socket) => once(socket, 'open')));
  const samples: number[] = [];
  for (let round = 0; round < ROUNDS / clients + 20; round++) {
    const start = performance.now();
    const heard = sockets.map((socket) => once(socket, 'message'));
    sockets[0]!.send('x');
    await Promise.all(heard);
    samples.push(performance.now() - start);
  }
  for (const socket of sockets) socket.terminate();
  server.close();
  return samples;
}

const writer = new ConvexClient(deployment.url, { logger: false });
const watcher = new ConvexClient(deployment.url, { logger: false });
let seen: (key: number) => void = () => {};
watcher.onUpdate(rows.latest!, {}, (key: number) => seen(key));
const trips: number[] = [];
const updates: number[] = [];
for (let key = 0; key < ROUNDS + 50; key++) {
  const heard = new Promise<void>((resolve) => {
    seen = (latest) => latest === key && resolve();
  });
  const start = performance.now();
  const updated = heard.then(() => performance.now() - start);
  await writer.mutation(rows.add!, { key, text: 'x' });
  const trip = performance.now() - start;
  const update = await updated;
  if (key < 50) continue; // the code is compiled
  trips.push(trip);
  updates.push(update);
}
await watcher.close();

const crowd = Array.from({ length: CROWD }, () => new ConvexClient(deployment.url, { logger: false }));
const waiting = new Map<ConvexClient, (key: number) => void>();
for (const client of crowd) client.onUpdate(rows.latest!, {}, (key: number) => waiting.get(client)?.(key));
const fans: number[] = [];
for (let key = 10_000; key < 10_030; key++) {
  const heard = crowd.map(
    (client) => new Promise<void>((resolve) => waiting.set(client, (latest) => latest === key && resolve())),
  );
  const start = performance.now();
  await Promise.all([writer.mutation(rows.add!, { key, text: 'x' }), ...heard]);
  if (key >= 10_005) fans.push(performance.now() - start);
}
for (const client of [...crowd, writer]) await client.close();

const one = await bareWebSockets(1);
const many = await bareWebSockets(CROWD);
const bare = (samples: number[], share: number) => ({
  name: 'bare WebSocket',
  value: percentile(samples, share),
});
report({
  name: 'mutation round trip, p50',
  value: percentile(trips, 0.5),
  unit: 'ms',
  baseline: bare(one, 0.5),
  target: 2,
});
report({
  name: 'mutation round trip, p95',
  value: percentile(trips, 0.95),
  unit: 'ms',
  baseline: bare(one, 0.95),
  target: 6,
});
report({
  name: "mutation to another client's update, p50",
  value: percentile(updates, 0.5),
  unit: 'ms',
  baseline: bare(one, 0.5),
  target: 5,
});
report({
  name: "mutation to another client's update, p95",
  value: percentile(updates, 0.95),
  unit: 'ms',
  baseline: bare(one, 0.95),
  target: 15,
});
report({
  name: `one update to ${CROWD} clients, the last one, p95`,
  value: percentile(fans, 0.95),
  unit: 'ms',
  baseline: bare(many, 0.95),
  target: 80,
});
