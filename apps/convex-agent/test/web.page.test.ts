import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { startConvex, type TestConvex } from '@stackyard/testing/convex';
import { openPage } from '@stackyard/testing/page';
import { ConvexHttpClient } from 'convex/browser';
import { createServer } from 'vite';
import { expect, onTestFinished, test } from 'vitest';
import { api } from '../convex/_generated/api.js';
import { Backend } from '../src/agent/backend.ts';
import { runRunner } from '../src/agent/runner.ts';
import { demoRecording } from '../src/model/choose.ts';
import { type Model, ModelError } from '../src/model/model.ts';
import { scriptedModel } from '../src/model/scripted.ts';

const app = resolve(import.meta.dirname, '..');
/** Runs in the page: what has the focus. */
const focused = "document.activeElement?.textContent || document.activeElement?.id || ''";

const fits = 'document.documentElement.scrollWidth <= innerWidth';

/** A deployment of its own with the page on it, opened, and, where a model is given, a runner. */
async function open(options: { model?: Model; colorScheme?: 'dark'; path?: string } = {}) {
  const opened = new AsyncDisposableStack();
  onTestFinished(() => opened.disposeAsync());
  const deployment = opened.use(await startConvex({ project: app }));
  const folder = await mkdtemp(join(tmpdir(), 'agent-page-'));
  opened.defer(() => rm(folder, { recursive: true, force: true }));
  const web = await createServer({
    configFile: join(app, 'vite.config.ts'),
    root: join(app, 'web'),
    cacheDir: join(folder, 'vite'),
    logLevel: 'error',
    server: { port: 0, host: '127.0.0.1', strictPort: false },
    define: { 'import.meta.env.VITE_CONVEX_URL': JSON.stringify(deployment.url) },
  });
  opened.defer(() => web.close());
  await web.listen();
  if (options.model) startRunner(opened, deployment, options.model, join(folder, 'workspaces'));
  const { page, errors } = await openPage({ colorScheme: options.colorScheme ?? 'light' });
  await page.goto(`${web.resolvedUrls?.local[0]}${options.path ?? ''}`);
  return { page, errors, deployment };
}

function startRunner(opened: AsyncDisposableStack, deployment: TestConvex, model: Model, workspaces: string) {
  const stop = new AbortController();
  const backend = opened.use(new Backend({ url: deployment.url, adminKey: deployment.adminKey }));
  const running = runRunner({
    backend,
    model,
    name: 'page-test',
    workspaces,
    maxRounds: 3,
    leaseMs: 5_000,
    concurrency: 1,
    log: () => {},
    signal: stop.signal,
  });
  opened.defer(async () => {
    stop.abort(new Error('stopped'));
    await running;
  });
}

test('a person gives a task, watches the agents, and reads what they wrote and what changed', async () => {
  const { page, errors } = await open({ model: scriptedModel(demoRecording(), 2) });
  await page.getByText('No workflows yet').waitFor();
  await page.getByRole('button', { name: 'Use the example' }).click();
  await page.getByLabel('What is to be done?').press('Control+Enter');

  const detail = page.getByRole('article');
  await detail.getByText('coder, round 2').first().waitFor();
  await detail.getByText('completed', { exact: true }).first().waitFor();
  await detail.getByText('A scripted model plays a recording').waitFor();
  await page.getByRole('region', { name: 'Done, 1' }).waitFor();

  await detail.getByRole('button', { name: 'room.ts', exact: true }).click();
  await detail.getByText('version 2').waitFor();
  expect(await detail.locator('pre.code span').count()).toBeGreaterThan(20);
  await detail.getByLabel('show what changed').check();
  expect(await detail.locator('ins').allTextContents()).toContainEqual(
    expect.stringContaining('check(room)'),
  );
  for (const session of await detail.locator('summary').all()) await session.click();
  await detail.getByText('"approved": true').waitFor();
  expect(await page.evaluate<boolean>(fits)).toBe(true);
  expect(errors).toEqual([]);
});

test('an empty task is refused beside the field', async () => {
  const { page } = await open({ colorScheme: 'dark' });
  await page.getByRole('button', { name: 'Start workflow' }).click();
  await page.getByRole('alert').getByText('Say what is to be done.').waitFor();
  expect(await page.getByLabel('What is to be done?').getAttribute('aria-invalid')).toBe('true');
});

test('what is at work stays in sight however many tasks come after it', async () => {
  const hanging: Model = {
    ...scriptedModel(demoRecording(), 0),
    run: (request) => {
      for (let line = 0; line < 200; line++) request.onText(`line ${line}\n`);
      return new Promise((_, reject) => {
        request.signal.addEventListener('abort', () => reject(request.signal.reason));
      });
    },
  };
  const { page, deployment } = await open({ model: hanging });
  await page.getByLabel('What is to be done?').fill('the first\nof many');
  await page.getByRole('button', { name: 'Start workflow' }).click();
  await page.getByRole('region', { name: 'At work, 1' }).waitFor();
  const client = new ConvexHttpClient(deployment.url, { logger: false });
  await Promise.all(
    Array.from({ length: 60 }, () => client.mutation(api.workflows.create, { task: 'later' })),
  );
  await page.reload(); // a list that is open already grows with what comes
  const waiting = page.getByRole('region', { name: 'Waiting, 25+' });
  await waiting.getByRole('button', { name: 'Show older ones' }).click();
  await page.getByRole('region', { name: 'Waiting, 50+' }).waitFor();
  await page.getByRole('region', { name: 'At work, 1' }).waitFor();
  const detail = page.getByRole('article');
  await detail.getByText('line 199').waitFor();
  const newest =
    "(({ scrollTop, clientHeight, scrollHeight }) => scrollTop > 0 && scrollTop + clientHeight >= scrollHeight - 4)(document.querySelector('.live'))";
  expect(await page.evaluate<boolean>(newest)).toBe(true);
});

test('a workflow at work is cancelled, and a failed one is retried', async () => {
  let broken = true;
  const instantly = scriptedModel(demoRecording(), 0);
  const model: Model = {
    ...instantly,
    run: (request) => {
      if (!broken) return instantly.run(request);
      if (request.prompt.includes('hang')) {
        return new Promise((_, reject) => {
          request.signal.addEventListener('abort', () => reject(request.signal.reason));
        });
      }
      broken = false;
      throw new ModelError('MODEL_REFUSED', 'The model refused this step.', { hint: 'Change the wording.' });
    },
  };
  const { page } = await open({ model });
  const task = page.getByLabel('What is to be done?');
  await task.fill('hang until cancelled');
  await page.getByRole('button', { name: 'Start workflow' }).click();
  const detail = page.getByRole('article');
  await detail.getByText('running').first().waitFor();
  await detail.getByRole('button', { name: 'Cancel' }).click();
  await detail.getByRole('status').getByText('cancelled').waitFor();

  await task.fill('fails at first');
  await page.getByRole('button', { name: 'Start workflow' }).click();
  await detail.getByRole('alert').getByText('The model refused this step.').waitFor();
  await detail.getByRole('button', { name: 'Retry' }).click();
  await detail.getByRole('status').getByText('completed').waitFor();
});

test('an address of no workflow says so, and the board stays', async () => {
  const { page } = await open({ path: '#/workflow/nonsense' });
  await page.getByText('There is no such workflow').waitFor();
  await page.getByRole('heading', { name: 'Agents at work' }).waitFor();
});

test('everything is within reach of the keyboard, and names itself', async () => {
  const { page } = await open();
  await page.getByLabel('What is to be done?').fill('within reach');
  await page.getByRole('button', { name: 'Start workflow' }).click();
  await page.getByRole('link', { name: 'within reach' }).waitFor();
  await page.getByRole('link', { name: 'Close this workflow' }).click();
  await page.reload();
  await page.getByRole('link', { name: 'within reach' }).waitFor();
  const names: string[] = [];
  for (let index = 0; index < 8; index++) {
    await page.keyboard.press('Tab');
    names.push(await page.evaluate<string>(focused));
  }
  expect(names.slice(0, 4)).toEqual(['Skip to the workflows', 'task', 'Start workflow', 'Use the example']);
  expect(names.some((name) => name.includes('within reach'))).toBe(true);
});

test('the way past the form leads to the workflows, and leaves the open one open', async () => {
  const { page } = await open();
  await page.getByLabel('What is to be done?').fill('stays open');
  await page.getByRole('button', { name: 'Start workflow' }).click();
  await page.getByRole('article').waitFor();
  await page.getByRole('link', { name: 'stays open' }).waitFor();
  await page.getByRole('link', { name: 'Skip to the workflows' }).press('Enter');
  await page.keyboard.press('Tab');
  expect(await page.evaluate<string>(focused)).toContain('stays open');
  expect(await page.getByRole('article').count()).toBe(1);
});
