import { appendFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { z } from 'zod';
import { readTools, writeTools } from '../agent/tools.ts';
import { fileTranscript } from '../agent/transcript.ts';
import { Workspace } from '../agent/workspace.ts';
import { type MessagesServer, type Reply, startMessagesApi } from '../testing/messages-api.ts';
import { anthropicModel } from './anthropic.ts';
import type { ModelError, ModelRequest } from './model.ts';

const result = z.object({ answer: z.number() });
const submit = (answer: unknown): Reply => ({ call: [{ name: 'submit_result', input: { answer } }] });

const opened: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  while (opened.length > 0) await opened.pop()?.();
});

async function setup(reply: (index: number) => Reply, signal = new AbortController().signal) {
  const server: MessagesServer = await startMessagesApi((_, index) => reply(index));
  opened.push(async () => server[Symbol.asyncDispose]());
  const directory = await mkdtemp(join(tmpdir(), 'agent-'));
  opened.push(() => rm(directory, { recursive: true }));
  const workspace = new Workspace(directory);
  const said: string[] = [];
  const model = anthropicModel({
    apiKey: 'test-key',
    model: 'test-model',
    baseUrl: server.url,
    price: { input: 3, output: 15 },
    backoffMs: [1, 1],
    maxTurns: 6,
  });
  const request: ModelRequest<{ answer: number }> = {
    step: 'coder-1',
    system: 'You answer.',
    prompt: 'What is it?',
    tools: [...readTools(workspace), ...writeTools(workspace, async () => {})],
    result,
    check: async ({ answer: given }) => (given === 13 ? 'Not that number.' : undefined),
    signal,
    onText: (delta) => said.push(delta),
    transcript: fileTranscript(workspace, 'coder-1', { id: 's1', previous: null }),
  };
  return { server, model, request, workspace, said };
}

test('a step streams its words, uses tools and hands in a typed result with tokens and cost', async () => {
  const { server, model, request, workspace, said } = await setup((index) =>
    index === 0
      ? {
          say: 'First I write it down.',
          call: [{ name: 'write_file', input: { path: 'a/b.txt', text: 'it' } }],
        }
      : submit(42),
  );
  const done = await model.run(request);
  expect(done.output).toEqual({ answer: 42 });
  expect(done.usage).toEqual({ inputTokens: 200, outputTokens: 40, costUsd: (200 * 3 + 40 * 15) / 1e6 });
  expect(said.join('')).toBe('First I write it down.');
  expect(said.length).toBeGreaterThan(1);
  expect(await workspace.read('a/b.txt')).toBe('it');
  expect(server.keys[0]).toBe('Bearer test-key');
  expect(server.requests[1]?.messages.at(-1)).toMatchObject({
    content: [{ type: 'tool_result', is_error: false }],
  });
});

test('an answer of the wrong shape goes back to the model with what is wrong', async () => {
  const { server, model, request } = await setup((index) => submit(index === 0 ? 'many' : 7));
  expect((await model.run(request)).output).toEqual({ answer: 7 });
  const correction = JSON.stringify(server.requests[1]?.messages.at(-1));
  expect(correction).toContain('"is_error":true');
  expect(correction).toContain('expected number');
});

test('an answer of the right shape that cannot be right goes back, too', async () => {
  const { server, model, request } = await setup((index) => submit(index === 0 ? 13 : 7));
  expect((await model.run(request)).output).toEqual({ answer: 7 });
  expect(JSON.stringify(server.requests[1]?.messages.at(-1))).toContain('Not that number.');
});

test('a transcript that a crash cut off is sound up to there, and can be added to', async () => {
  const { request, workspace } = await setup(() => submit(1));
  const entry = (text: string) => ({ kind: 'message' as const, message: { role: 'user', content: text } });
  await request.transcript.append(entry('whole'));
  await appendFile(join(workspace.directory, '.sessions', 'coder-1.s1.jsonl'), '{"kind":"mess');
  expect(await request.transcript.load()).toEqual([entry('whole')]);
  await request.transcript.append(entry('after'));
  expect(await request.transcript.load()).toEqual([entry('whole'), entry('after')]);
});

test('a session goes on from the one before it, unless that one ran elsewhere', async () => {
  const { request, workspace } = await setup(() => submit(1));
  const session = (id: string, previous: string) => fileTranscript(workspace, 'coder-1', { id, previous });
  const entry = { kind: 'message' as const, message: { role: 'user', content: 'I write it down.' } };
  await request.transcript.append(entry);
  expect(await session('s2', 's1').load()).toEqual([entry]);
  expect(await session('s4', 's3').load()).toEqual([]);
});

test('a model that never hands in a result ends the step after its turns', async () => {
  const { server, model, request } = await setup(() => ({ say: 'Well.' }));
  await expect(model.run(request)).rejects.toMatchObject({ code: 'MODEL_TURNS_EXCEEDED' });
  expect(server.requests).toHaveLength(6);
});

test.each<[string, Reply]>([
  ['429', { status: 429, type: 'rate_limit_error', retryAfter: 0 }],
  ['500', { status: 500, type: 'api_error' }],
  ['529 overloaded', { status: 529, type: 'overloaded_error' }],
  ['overload in the middle of the stream', { say: 'Let me', breaks: 'overloaded_error' }],
  ['a connection that breaks in the middle of the stream', { say: 'Let me', breaks: 'connection' }],
  ['an answer that ends in the middle', { say: 'Let me', breaks: 'end' }],
])('%s is retried', async (_, failure) => {
  const { server, model, request } = await setup((index) => (index === 0 ? failure : submit(1)));
  expect((await model.run(request)).output).toEqual({ answer: 1 });
  expect(server.requests).toHaveLength(2);
});

test('a service that stays overloaded fails the step as retryable', async () => {
  const { model, request } = await setup(() => ({ status: 529, type: 'overloaded_error' }));
  const error = (await model.run(request).catch((caught) => caught)) as ModelError;
  expect(error).toMatchObject({ code: 'MODEL_UNAVAILABLE', retryable: true });
  expect(error.message).toContain('3 attempts');
});

test('a wrong key is said at once, without the key', async () => {
  const { server, model, request } = await setup(() => ({ status: 401, type: 'authentication_error' }));
  const error = (await model.run(request).catch((caught) => caught)) as ModelError;
  expect(error).toMatchObject({ code: 'MODEL_KEY_INVALID', retryable: false });
  expect(JSON.stringify(error) + error.message + error.hint).not.toContain('test-key');
  expect(server.requests).toHaveLength(1);
});

test('a request that the service cannot take is refused in its words', async () => {
  const { model, request } = await setup(() => ({ status: 400, type: 'invalid_request_error' }));
  await expect(model.run(request)).rejects.toMatchObject({
    code: 'MODEL_REFUSED',
    message: 'The model service refused the request: invalid_request_error',
  });
});

test('a refusal ends the step', async () => {
  const { model, request } = await setup(() => ({ say: 'No.', stop: 'refusal' }));
  await expect(model.run(request)).rejects.toMatchObject({ code: 'MODEL_REFUSED', retryable: false });
});

test('half a tool call, cut off by the token limit, does not run', async () => {
  const { model, request, workspace } = await setup((index) =>
    index === 0
      ? { call: [{ name: 'write_file', input: { path: 'x', text: 'half' } }], stop: 'max_tokens' }
      : submit(1),
  );
  await model.run(request);
  expect(await workspace.list()).toEqual([]);
});

test('cancellation ends a step in the middle of an answer', async () => {
  const controller = new AbortController();
  const { model, request } = await setup(
    () => ({ say: 'Thinking about it', hangs: true }),
    controller.signal,
  );
  const running = model.run({ ...request, onText: () => controller.abort(new Error('cancelled')) });
  await expect(running).rejects.toThrow('cancelled');
});

test('a step goes on where an interrupted run stopped, without asking again what was answered', async () => {
  const first = await setup((index) =>
    index === 0
      ? { call: [{ name: 'write_file', input: { path: 'x', text: 'once' } }] }
      : { status: 400, type: 'invalid_request_error' },
  );
  await expect(first.model.run(first.request)).rejects.toMatchObject({ code: 'MODEL_REFUSED' });
  const second = await setup(() => submit(3));
  const done = await second.model.run({ ...second.request, transcript: first.request.transcript });
  expect(done.output).toEqual({ answer: 3 });
  expect(second.server.requests).toHaveLength(1);
  expect(second.server.requests[0]?.messages).toHaveLength(3);
  expect(done.usage.inputTokens).toBe(200);
});

test('tools cannot leave the workspace', async () => {
  const { server, model, request } = await setup((index) =>
    index === 0
      ? {
          call: [
            { name: 'write_file', input: { path: '../out.txt', text: 'x' } },
            { name: 'read_file', input: { path: '/etc/passwd' } },
            { name: 'erase_disk', input: {} },
          ],
        }
      : submit(1),
  );
  await model.run(request);
  const results = server.requests[1]?.messages.at(-1)?.content as { content: string; is_error: boolean }[];
  expect(results.map((entry) => entry.is_error)).toEqual([true, true, true]);
  expect(results[0]?.content).toContain('outside the workspace');
});
