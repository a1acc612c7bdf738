import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { startConvex, type TestConvex } from '@stackyard/testing/convex';
import { ConvexClient } from 'convex/browser';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { api } from '../convex/_generated/api.js';
import type { Doc, Id } from '../convex/_generated/dataModel.js';
import { Backend } from '../src/agent/backend.ts';
import { type RunnerOptions, runRunner } from '../src/agent/runner.ts';
import { anthropicModel } from '../src/model/anthropic.ts';
import { demoRecording } from '../src/model/choose.ts';
import { type Model, ModelError } from '../src/model/model.ts';
import { scriptedModel } from '../src/model/scripted.ts';
import { type MessagesRequest, type Reply, startMessagesApi } from '../src/testing/messages-api.ts';
import { startRelay } from '../src/testing/relay.ts';

let deployment: TestConvex;
let client: ConvexClient;
let workspaces: string;

beforeAll(async () => {
  deployment = await startConvex({ project: resolve(import.meta.dirname, '..') });
  client = new ConvexClient(deployment.url, { logger: false });
  workspaces = await mkdtemp(join(tmpdir(), 'agent-workspaces-'));
}, 60_000);

afterAll(async () => {
  await client?.close();
  await deployment?.[Symbol.asyncDispose]();
  await rm(workspaces, { recursive: true, force: true });
});

/** A runner that stops when the test ends, or earlier when `stop` is called. */
function startRunner(model: Model, options: Partial<RunnerOptions> = {}, url = deployment.url) {
  const stop = new AbortController();
  const backend = new Backend({
    url,
    adminKey: deployment.adminKey,
    ...(options.log ? { log: options.log } : {}),
  });
  const running = runRunner({
    backend,
    model,
    name: `runner-${Math.random()}`,
    workspaces,
    maxRounds: 3,
    leaseMs: 2_000,
    concurrency: 1,
    log: () => {},
    signal: stop.signal,
    ...options,
  }).finally(() => backend[Symbol.asyncDispose]());
  const end = async () => {
    stop.abort(new Error('stopped'));
    await running;
  };
  onTestFinished(end);
  return { stop: end };
}

function create(task: string): Promise<Id<'workflows'>> {
  return client.mutation(api.workflows.create, { task });
}

/** The workflow once `reached` holds. */
function until(
  id: Id<'workflows'>,
  reached: (workflow: Doc<'workflows'>) => boolean,
): Promise<Doc<'workflows'>> {
  return new Promise((resolve, reject) => {
    const stop = client.onUpdate(
      api.workflows.get,
      { id },
      (workflow) => {
        if (!workflow || !reached(workflow)) return;
        queueMicrotask(() => stop());
        resolve(workflow);
      },
      reject,
    );
  });
}

/** What a model answers that plans one file, writes it, and approves of it. */
function replyTo(request: MessagesRequest): Reply {
  const submit = (input: object): Reply => ({ call: [{ name: 'submit_result', input }] });
  if (request.system.startsWith('You plan')) {
    const files = [{ path: 'a.ts', purpose: 'all' }];
    return { say: 'I plan.', ...submit({ summary: 'One file.', files, acceptance: ['It exists.'] }) };
  }
  if (request.system.startsWith('You review')) return submit({ approved: true, findings: [] });
  return request.messages.length === 1
    ? { call: [{ name: 'write_file', input: { path: 'a.ts', text: 'export const a = 1;\n' } }] }
    : submit({ summary: 'Done.', files: ['a.ts'] });
}

const ended = (workflow: Doc<'workflows'>) => !['pending', 'running'].includes(workflow.status);
const instantly = () => scriptedModel(demoRecording(), 0);

test('the scripted workflow plans, writes, is sent back once, and completes with files that work', async () => {
  startRunner(instantly());
  const id = await create('anything');
  const workflow = await until(id, ended);
  expect(workflow).toMatchObject({ status: 'completed', model: { scripted: true } });
  expect(workflow.artifacts).toEqual(['plan.json', 'review.json', 'room.test.ts', 'room.ts']);
  const sessions = await client.query(api.agentSessions.list, { workflowId: id });
  expect(sessions.map(({ step, status }) => [step, status])).toEqual([
    ['planner', 'completed'],
    ['coder-1', 'completed'],
    ['reviewer-1', 'completed'],
    ['coder-2', 'completed'],
    ['reviewer-2', 'completed'],
  ]);
  const said = await client.query(api.agentSessions.text, { id: sessions[0]!._id });
  expect(said).toContain('Let me see what the workspace already holds.');
  const file = await readFile(join(workspaces, id, 'room.ts'), 'utf8');
  const versions = await client.query(api.artifacts.list, { workflowId: id });
  expect(versions.filter((version) => version.path === 'room.ts').map((version) => version.version)).toEqual([
    1, 2,
  ]);
  expect(versions.findLast((version) => version.path === 'room.ts')?.text).toBe(file);
});

test('several runners share the work and each workflow is done once', async () => {
  for (let index = 0; index < 3; index++) startRunner(instantly(), { concurrency: 2 });
  const ids = await Promise.all(Array.from({ length: 8 }, (_, index) => create(`task ${index}`)));
  const workflows = await Promise.all(ids.map((id) => until(id, ended)));
  expect(workflows.map((workflow) => [workflow.status, workflow.claims])).toEqual(
    ids.map(() => ['completed', 1]),
  );
});

test('cancelling ends the step at work within a second', async () => {
  const { promise: aborted, resolve: noteAbort } = Promise.withResolvers<number>();
  const { promise: begun, resolve: noteBegin } = Promise.withResolvers<void>();
  startRunner({
    name: 'slow',
    scripted: true,
    run: (request) =>
      new Promise((_, reject) => {
        request.signal.addEventListener('abort', () => {
          noteAbort(Date.now());
          reject(request.signal.reason);
        });
        noteBegin();
      }),
  });
  const id = await create('never ends');
  await begun;
  const asked = Date.now();
  await client.mutation(api.workflows.cancel, { id });
  expect((await aborted) - asked).toBeLessThan(1000);
  const sessions = await client.query(api.agentSessions.list, { workflowId: id });
  expect(sessions.map((session) => session.status)).toEqual(['cancelled']);
  expect((await until(id, ended)).status).toBe('cancelled');
});

test('a runner killed in the middle of a step is replaced by one on another machine, and finished steps are not repeated', async () => {
  const elsewhere = await mkdtemp(join(tmpdir(), 'agent-elsewhere-'));
  onTestFinished(() => rm(elsewhere, { recursive: true, force: true }));
  const { promise: reviewing, resolve: noteReview } = Promise.withResolvers<void>();
  let killed = false;
  await using server = await startMessagesApi((request) => {
    if (killed || !request.system.startsWith('You review')) return replyTo(request);
    noteReview();
    return { say: 'Let me see', hangs: true };
  });
  const child = spawn(process.execPath, [resolve(import.meta.dirname, '../src/cli/agent.ts'), 'runner'], {
    stdio: 'ignore',
    env: {
      PATH: process.env.PATH,
      CONVEX_SELF_HOSTED_URL: deployment.url,
      CONVEX_SELF_HOSTED_ADMIN_KEY: deployment.adminKey,
      ANTHROPIC_API_KEY: 'k',
      ANTHROPIC_BASE_URL: server.url,
      AGENT_WORKSPACES: workspaces,
      AGENT_LEASE_SECONDS: '2',
    },
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const id = await create('one file');
  await reviewing;
  child.kill('SIGKILL');
  killed = true;
  startRunner(anthropicModel({ apiKey: 'k', model: 'test-model', baseUrl: server.url }), {
    workspaces: elsewhere,
  });
  expect(await until(id, ended)).toMatchObject({ status: 'completed', claims: 2 });
  const sessions = await client.query(api.agentSessions.list, { workflowId: id });
  expect(sessions.map(({ step, status }) => [step, status])).toEqual([
    ['planner', 'completed'],
    ['coder-1', 'completed'],
    ['reviewer-1', 'failed'],
    ['reviewer-1', 'completed'],
  ]);
  expect(await readFile(join(elsewhere, id, 'a.ts'), 'utf8')).toBe('export const a = 1;\n');
});

test('a step whose deployment goes away waits for it, and goes on when it is back', async () => {
  await using relay = await startRelay(deployment.url);
  const log: string[] = [];
  const { promise: away, resolve: noteAway } = Promise.withResolvers<void>();
  const model: Model = {
    ...instantly(),
    run: (request) => {
      if (request.step === 'coder-1') relay.close();
      return instantly().run(request);
    },
  };
  const note = (line: string) => {
    log.push(line);
    if (line.includes('does not answer')) noteAway();
  };
  const runner = startRunner(model, { log: note, leaseMs: 60_000 }, relay.url);
  const id = await create('outlives an outage');
  await away;
  relay.open();
  const workflow = await until(id, ended);
  await runner.stop();
  expect(workflow).toMatchObject({ status: 'completed', claims: 1 });
  expect(log).toContain('the deployment answers again');
  const sessions = await client.query(api.agentSessions.list, { workflowId: id });
  expect(sessions.map(({ status }) => status)).toEqual(sessions.map(() => 'completed'));
  expect(new Set(sessions.map(({ step }) => step)).size).toBe(5);
});

test('a lasting failure fails the workflow, and a retry goes on from the step that failed', async () => {
  let failures = 0;
  const broken: Model = {
    ...instantly(),
    run: (request) => {
      if (request.step !== 'coder-1') return instantly().run(request);
      failures++;
      throw new ModelError('MODEL_REFUSED', 'The model refused this step.', { hint: 'Change the wording.' });
    },
  };
  const first = startRunner(broken);
  const id = await create('fails once');
  expect(await until(id, ended)).toMatchObject({ status: 'failed', error: 'The model refused this step.' });
  await first.stop();
  startRunner(instantly());
  await client.mutation(api.workflows.retry, { id });
  expect((await until(id, (workflow) => workflow.status === 'completed')).error).toBeUndefined();
  expect(failures).toBe(1);
});

test('a workflow whose last review found blockers has rounds again when it is retried', async () => {
  startRunner(instantly(), { maxRounds: 1 });
  const id = await create('sent back at first');
  expect(await until(id, ended)).toMatchObject({
    status: 'failed',
    error: expect.stringContaining('did not approve after 1 round'),
  });
  await client.mutation(api.workflows.retry, { id });
  await until(id, (workflow) => workflow.status === 'completed');
  const sessions = await client.query(api.agentSessions.list, { workflowId: id });
  expect(sessions.map(({ step }) => step)).toEqual([
    'planner',
    'coder-1',
    'reviewer-1',
    'coder-2',
    'reviewer-2',
  ]);
});

test('after a passing failure a workflow waits, by the number of failures and not of runners that had it', async () => {
  const id = await create('too busy');
  await using backend = new Backend({ url: deployment.url, adminKey: deployment.adminKey });
  for (let hands = 0; hands < 5; hands++) {
    const claim = await backend.claim('passes it on', 60_000, instantly(), AbortSignal.timeout(60_000));
    expect(claim).toMatchObject({ id, failures: 0 });
    await backend.release(claim!, { status: 'pending' });
  }
  startRunner({
    ...instantly(),
    run: () => {
      throw new ModelError('MODEL_UNAVAILABLE', 'The service is overloaded.', {
        hint: 'Wait.',
        retryable: true,
      });
    },
  });
  const workflow = await until(id, ({ status, claims }) => status === 'pending' && claims === 6);
  expect(workflow).toMatchObject({ error: 'The service is overloaded.', failures: 1 });
  expect(workflow.notBefore).toBe(workflow.metadata.updatedAt + 5_000);
  await client.mutation(api.workflows.cancel, { id });
});

test('a workflow that ends its runners again and again fails, and a retry gives it all chances again', async () => {
  const id = await create('ends its runners');
  await using backend = new Backend({ url: deployment.url, adminKey: deployment.adminKey });
  const claim = () => backend.claim('dies', -1, instantly(), AbortSignal.timeout(60_000));
  for (let runners = 0; runners < 11; runners++) expect(await claim()).toMatchObject({ id });
  expect(await claim()).toBeNull();
  const failed = await client.query(api.workflows.get, { id });
  expect(failed).toMatchObject({ status: 'failed', error: '11 runners stopped in the middle of it.' });
  await client.mutation(api.workflows.retry, { id });
  startRunner(instantly());
  expect(await until(id, ended)).toMatchObject({ status: 'completed' });
});

test('a workflow of the real SDK ends with tokens and cost', async () => {
  const server = await startMessagesApi(replyTo);
  onTestFinished(async () => server[Symbol.asyncDispose]());
  startRunner(
    anthropicModel({
      apiKey: 'k',
      model: 'test-model',
      baseUrl: server.url,
      price: { input: 3, output: 15 },
    }),
  );
  const workflow = await until(await create('one file'), ended);
  expect(workflow).toMatchObject({
    status: 'completed',
    model: { name: 'test-model', scripted: false },
    usage: { inputTokens: 400, outputTokens: 80, costUsd: (400 * 3 + 80 * 15) / 1e6 },
    artifacts: ['a.ts', 'plan.json', 'review.json'],
  });
});
