// 100,000 documents: how long an index hit takes, and a restart until it serves; against a scan and a bare parse.
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { ConvexHttpClient } from 'convex/browser';
import { anyApi } from 'convex/server';
import { BENCH_APP, Project, startInProcess, temporaryFolder } from './deployment.ts';
import { percentile, report } from './measure.ts';

const DOCUMENTS = 100_000;
const BATCH = 5000;
const HITS = 500;
const rows = anyApi.rows!;

using folder = temporaryFolder();
const data = path.join(folder.path, 'data');
let hit = 0;
let single = 0;
let search = 0;
{
  await using deployment = await startInProcess(data);
  await new Project(path.join(folder.path, 'app'), BENCH_APP).push(deployment.url);
  const client = new ConvexHttpClient(deployment.url, { logger: false });
  for (let from = 0; from < DOCUMENTS; from += BATCH)
    await client.mutation(rows.fill!, { from, count: BATCH });
  const keys = () => Array.from({ length: HITS }, () => Math.floor(Math.random() * DOCUMENTS));
  const many: number[] = [];
  const ones: number[] = [];
  const searches: number[] = [];
  for (let round = 0; round < 30; round++) {
    const wanted = keys();
    const start = performance.now();
    await client.query(rows.hits!, { keys: wanted });
    many.push((performance.now() - start) / HITS);
    const alone = performance.now();
    await client.query(rows.byKey!, { key: wanted[0]! });
    ones.push(performance.now() - alone);
    const searched = performance.now();
    const [found] = await client.query(rows.search!, { text: `row ${wanted[0]!} ` });
    searches.push(performance.now() - searched);
    if (found !== wanted[0]) throw new Error('the search found another row');
  }
  hit = percentile(many, 0.5);
  single = percentile(ones, 0.5);
  search = percentile(searches, 0.5);
}
const documents = Array.from({ length: DOCUMENTS }, (_, key) => ({ key, text: `row number ${key}` }));
const scanStart = performance.now();
documents.filter(({ key }) => key === 77_777);
const scan = performance.now() - scanStart;
const textStart = performance.now();
documents.filter(({ text }) => /\b77777\b/.test(text));
const textScan = performance.now() - textStart;

const logs = readdirSync(path.join(data, 'log')).map((name) => path.join(data, 'log', name));
const parseStart = performance.now();
let parsed = 0;
for (const log of logs) {
  const bytes = readFileSync(log);
  for (let at = 0; at < bytes.length; at += 8 + bytes.readUInt32LE(at)) {
    JSON.parse(bytes.toString('utf8', at + 8, at + 8 + bytes.readUInt32LE(at)));
    parsed++;
  }
}
const parse = performance.now() - parseStart;
await using again = await startInProcess(data);
const client = new ConvexHttpClient(again.url, { logger: false });
if ((await client.query(rows.byKey!, { key: DOCUMENTS - 1 })) !== 1)
  throw new Error('the restart lost documents');

report({
  name: `index hit among ${DOCUMENTS} documents`,
  value: hit,
  unit: 'ms',
  baseline: { name: 'array scan', value: scan },
  target: 1,
});
report({
  name: 'the same as an HTTP request of its own',
  value: single,
  unit: 'ms',
  baseline: { name: 'index hit', value: hit },
  target: 10,
});
report({
  name: `words among ${DOCUMENTS} documents, one of them in all`,
  value: search,
  unit: 'ms',
  baseline: { name: 'scan with a pattern', value: textScan },
  target: 100,
});
report({
  name: `restart with ${DOCUMENTS} documents (${parsed} records)`,
  value: again.startMs,
  unit: 'ms',
  baseline: { name: 'bare parse of the log', value: parse },
  target: 3000,
});
