// The same calls on convex-test, Convex's own imitation of its backend, and here: they must answer alike.
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { ConvexHttpClient } from 'convex/browser';
import { anyApi } from 'convex/server';
import { convexTest } from 'convex-test';
import { expect, test } from 'vitest';
import { FEATURE_APP } from './feature-app.ts';
import { Project, startDeployment, temporaryFolder } from './project.ts';

type Arguments = Record<string, unknown>;

const notes = anyApi.notes!;

type Call = readonly ['query' | 'mutation', string, (seen: readonly unknown[]) => Arguments];

// Left out: comparisons of a missing field, which Convex orders before every value and convex-test never does.
const CALLS: readonly Call[] = [
  ['mutation', 'add', () => ({ author: 'ann', text: 'red fish', rank: 2 })],
  ['mutation', 'add', () => ({ author: 'ann', text: 'blue fish', rank: 1 })],
  ['mutation', 'add', () => ({ author: 'ann', text: 'no rank' })],
  ['mutation', 'add', () => ({ author: 'bob', text: 'red bird', rank: 1 })],
  ['query', 'ranked', () => ({ author: 'ann' })],
  ['query', 'ranked', () => ({ author: 'ann', above: 1 })],
  ['query', 'ranked', () => ({ author: 'ann', order: 'desc' })],
  ['query', 'page', () => ({ author: 'ann', paginationOpts: { numItems: 2, cursor: null } })],
  ['query', 'search', () => ({ text: 'bird', author: 'bob' })],
  ['query', 'normalize', (seen) => ({ table: 'notes', id: seen[0] })],
  ['mutation', 'edit', (seen) => ({ id: seen[0], text: 'changed' })],
  ['mutation', 'put', (seen) => ({ id: seen[1], author: 'cy', text: 'replaced' })],
  ['mutation', 'remove', (seen) => ({ id: seen[3] })],
  ['mutation', 'walk', () => ({})],
  ['mutation', 'values', () => ({ value: { big: 5n, list: [null, true, 'x'], bytes: new ArrayBuffer(2) } })],
  ['mutation', 'clear', () => ({})],
  ['query', 'ranked', () => ({ author: 'ann' })],
];

const FAILING: readonly Call[] = [
  ['mutation', 'add', () => ({ author: 1, text: 'x' })],
  ['mutation', 'add', () => ({ author: 'ann' })],
  ['mutation', 'wrong', () => ({})],
  ['query', 'badReturn', () => ({})],
];

type Run = (kind: 'query' | 'mutation', name: string, args: Arguments) => Promise<unknown>;

async function answers(run: Run): Promise<unknown[]> {
  const seen: unknown[] = [];
  for (const [kind, name, args] of CALLS) seen.push(await run(kind, name, args(seen)));
  for (const [kind, name, args] of FAILING) {
    seen.push(
      await run(kind, name, args(seen)).then(
        () => 'no error',
        () => 'an error',
      ),
    );
  }
  return seen;
}

/** Ids, times and cursors differ by design: each is replaced by the order in which it came up. */
function normalized(value: unknown): unknown {
  const names = new Map<unknown, string>();
  const nameOf = (kind: string, each: unknown) => {
    if (!names.has(each)) names.set(each, `${kind} ${names.size}`);
    return names.get(each);
  };
  const walk = (each: unknown, field?: string): unknown => {
    if (field === '_creationTime') return 'a time';
    if (field === 'continueCursor' || field === 'splitCursor' || field === 'pageStatus') return 'a cursor';
    if (typeof each === 'string' && (/^[0-9a-z]{31,37}$/.test(each) || /^\d+;\w+$/.test(each)))
      return nameOf('id', each);
    if (Array.isArray(each)) return each.map((item) => walk(item));
    if (typeof each !== 'object' || each === null || each instanceof ArrayBuffer) return each;
    return Object.fromEntries(
      Object.entries(each)
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([key, item]) => [key, walk(item, key)]),
    );
  };
  return walk(value);
}

test('functions answer as they do on convex-test', async () => {
  using folder = temporaryFolder();
  const files = { 'schema.ts': FEATURE_APP['schema.ts'], 'notes.ts': FEATURE_APP['notes.ts'] };
  const project = new Project(path.join(folder.path, 'app'), files);
  await using deployment = await startDeployment(path.join(folder.path, 'data'));
  await project.push(deployment.url);
  const client = new ConvexHttpClient(deployment.url, { logger: false });
  const here = await answers((kind, name, args) =>
    kind === 'query' ? client.query(notes[name]!, args) : client.mutation(notes[name]!, args),
  );

  const load = (name: string) => import(pathToFileURL(path.join(project.root, 'convex', name)).href);
  const { default: schema } = (await load('schema.ts')) as { default: never };
  const there = convexTest(schema, {
    './convex/_generated/api.js': async () => ({}),
    './convex/notes.ts': () => load('notes.ts'),
  });
  const reference = await answers((kind, name, args) =>
    kind === 'query' ? there.query(notes[name]!, args) : there.mutation(notes[name]!, args),
  );
  expect(normalized(here)).toEqual(normalized(reference));
});
