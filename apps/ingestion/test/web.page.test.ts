import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createHealth } from '@stackyard/healthchecks';
import { openPage } from '@stackyard/testing/page';
import { build } from 'vite';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { createApi } from '../src/api/server.ts';
import { createApiKey, saveTenant } from '../src/store/tenants.ts';
import { makeZip } from './documents.ts';
import { openStack, type TestStack } from './stack.ts';

const app = resolve(import.meta.dirname, '..');
let stack: TestStack;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ingestion page-'));
  await mkdir(join(folder, 'docs', 'deep'), { recursive: true });
  const long = Array.from(
    { length: 400 },
    (_, index) => `Paragraph ${index} is about nothing in particular.`,
  );
  long[300] = 'The capybara is the largest rodent that lives today.';
  await writeFile(join(folder, 'docs', 'animals.md'), `# Animals\n\n${long.join('\n\n')}\n`);
  await writeFile(join(folder, 'docs', 'deep', 'note.txt'), 'A note from a folder below.');
  await writeFile(join(folder, 'docs', 'broken.pdf'), '%PDF-1.7 this is not one');
  // As it is in production: built, and served by the API.
  const web = join(folder, 'web');
  await build({
    configFile: join(app, 'vite.config.ts'),
    root: join(app, 'web'),
    logLevel: 'error',
    build: { outDir: web },
  });
  stack = await openStack({ api: { webDirectory: web } });
});
afterAll(async () => {
  await stack?.[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

const file = (name: string, content: Uint8Array | string) => ({
  name,
  mimeType: 'application/octet-stream',
  buffer: Buffer.from(content),
});

test('a folder is sent, each document comes through or says why not, and what it says is found', async () => {
  const { page, errors } = await openPage();
  page.setDefaultTimeout(10_000);
  await page.goto(stack.url);
  await page.getByRole('button', { name: 'Choose a folder' }).waitFor();
  await page.getByTestId('folder').setInputFiles(join(folder, 'docs'));
  const rows = page.getByRole('list', { name: 'Documents' }).getByRole('listitem');
  await page.locator('[data-status="ready"]').nth(1).waitFor();
  const broken = rows.filter({ hasText: 'broken.pdf' });
  await broken.getByText('INGEST_MALFORMED').waitFor();
  expect(await page.locator('[data-status="ready"]').allTextContents()).toEqual(
    expect.arrayContaining([
      expect.stringContaining('docs/deep/note.txt'),
      expect.stringContaining('docs/animals.md'),
    ]),
  );
  await broken.getByRole('button', { name: 'Retry docs/broken.pdf' }).click();
  await broken.getByText('INGEST_MALFORMED').waitFor();

  await page.keyboard.press('/');
  await page.keyboard.type('largest capybara');
  const marks = page.locator('.hits li').first().locator('mark');
  await marks.first().waitFor();
  expect(await marks.allTextContents()).toEqual(expect.arrayContaining(['capybara', 'largest']));
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('ArrowUp');
  await page.keyboard.press('Enter');
  const place = page.getByRole('dialog').locator('mark');
  await place.waitFor();
  expect(await place.textContent()).toContain('The capybara is the largest rodent');
  const visible = `(({ top, bottom }) => bottom > 0 && top < innerHeight)(document.querySelector('dialog mark').getBoundingClientRect())`;
  await expect.poll(() => page.evaluate(visible)).toBe(true);
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'hidden' });
  expect(errors).toEqual([]);
});

test('where requests need a key, the page asks for one', async () => {
  const locked = await createApi({
    ...stack,
    onError: (error) => stack.errors.push(error),
    health: createHealth(),
    maxDocumentBytes: 1000,
    webDirectory: join(folder, 'web'),
  });
  onTestFinished(() => locked.close());
  await saveTenant(stack.client, 'locked');
  const key = await createApiKey(stack.client, 'locked', 'test');
  const { page } = await openPage();
  page.setDefaultTimeout(10_000);
  await page.goto(await locked.listen({ host: '127.0.0.1', port: 0 }));
  await page.getByLabel('API key').fill(key);
  await page.getByRole('button', { name: 'Use' }).click();
  await page.getByText('Nothing here yet').waitFor();
  await page.getByTestId('files').setInputFiles(join(folder, 'docs', 'deep', 'note.txt'));
  await page.locator('li[data-status="ready"]', { hasText: 'note.txt' }).waitFor();
});

test('a dropped file appears, is deleted, and comes back with Undo', async () => {
  const { page, errors } = await openPage({ colorScheme: 'dark' });
  page.setDefaultTimeout(10_000);
  await page.goto(stack.url);
  await page.getByRole('button', { name: 'Choose files' }).waitFor();
  // A real DataTransfer, as a drop from the desktop brings it.
  await page.evaluate(`{
    const transfer = new DataTransfer();
    transfer.items.add(new File(['dropped from above'], 'dropped.txt', { type: 'text/plain' }));
    document.dispatchEvent(new DragEvent('drop', { dataTransfer: transfer, bubbles: true, cancelable: true }));
  }`);
  const row = page.getByRole('listitem').filter({ hasText: 'dropped.txt' });
  await page.locator('li[data-status="ready"]', { hasText: 'dropped.txt' }).waitFor();
  await row.getByRole('button', { name: 'Delete dropped.txt' }).click();
  await row.waitFor({ state: 'detached' });
  await page.getByRole('button', { name: 'Undo' }).click();
  await row.waitFor();
  const background = await page.evaluate('getComputedStyle(document.documentElement).backgroundColor');
  expect(background).toBe('rgb(20, 22, 26)');
  expect(errors).toEqual([]);
});

test('two hundred files at once, an empty one and an archive among them, are all there a moment later', {
  timeout: 180_000,
}, async () => {
  const patient = { timeout: 120_000 };
  const { page, errors } = await openPage();
  await page.goto(stack.url);
  await page.getByRole('button', { name: 'Choose files' }).waitFor();
  const { n } = await stack.client.one<{ n: number }>(
    "SELECT count(*)::int AS n FROM document WHERE tenant_id = 'default' AND deleted_at IS NULL",
  );
  await page
    .getByTestId('files')
    .setInputFiles([
      file('zero.txt', ''),
      file('archive.zip', makeZip({ 'inner/a.md': 'a numbat in an archive' })),
      ...Array.from({ length: 198 }, (_, index) => file(`many ${index}.txt`, `one of many, number ${index}`)),
    ]);
  await expect
    .poll(() => page.getByRole('status').first().textContent(), patient)
    .toBe(`${n + 200} documents`);
  await expect
    .poll(() => page.locator('li[data-status="ready"]', { hasText: /many \d/ }).count(), patient)
    .toBe(198);
  await page.locator('li[data-status="ready"]', { hasText: 'zero.txt' }).getByText('0 B · no text').waitFor();
  await page.locator('li[data-status="ready"]', { hasText: 'archive.zip' }).getByText('1 passage').waitFor();
  await page.keyboard.press('/');
  await page.keyboard.type('numbat');
  await page.locator('.hits li').first().getByText('inner/a.md').waitFor();
  expect(errors).toEqual([]);
});

test('with the keyboard alone a document is deleted and comes back; what cannot be done is said', async () => {
  const { page } = await openPage();
  page.setDefaultTimeout(10_000);
  await page.goto(stack.url);
  await page.getByTestId('files').setInputFiles(file('keys.txt', 'by keyboard'));
  const row = page.locator('li[data-status="ready"]', { hasText: 'keys.txt' });
  await row.getByRole('button', { name: 'Delete keys.txt' }).focus();
  await page.route('**/v1/documents/*', (route) =>
    route.request().method() === 'DELETE'
      ? route.fulfill({ status: 500, json: { title: 'It went wrong', hint: 'Look at the log.' } })
      : route.continue(),
  );
  await page.keyboard.press('Enter');
  await page.getByRole('alert').getByText('It went wrong. Look at the log.').waitFor();
  await row.waitFor();
  await page.unroute('**/v1/documents/*');
  await page.keyboard.press('Enter');
  await row.waitFor({ state: 'detached' });
  expect(await page.getByRole('alert').count()).toBe(0);
  expect(await page.evaluate('document.activeElement.textContent')).toBe('Undo');
  await page.keyboard.press('Enter');
  await row.waitFor();
});

test('when nothing failed is left, the others are shown again', async () => {
  const { page } = await openPage();
  page.setDefaultTimeout(10_000);
  await stack.client.query(
    `UPDATE document d SET deleted_at = now() FROM version v WHERE v.id = d.latest_version AND v.status = 'failed'`,
  );
  await page.goto(stack.url);
  await page
    .getByTestId('files')
    .setInputFiles([file('bad.pdf', '%PDF-1.7 not this one'), file('good.txt', 'a good one')]);
  const good = page.locator('li[data-status="ready"]', { hasText: 'good.txt' });
  await good.waitFor();
  await page.getByText('1 document failed').waitFor();
  await page.getByRole('button', { name: 'Only these' }).click();
  await good.waitFor({ state: 'detached' });
  await page.getByRole('button', { name: 'Delete bad.pdf' }).click();
  await good.waitFor();
});

test('what cannot be read or is refused says why, and can be dismissed; the rest of the drop goes on', async () => {
  const { page } = await openPage();
  page.setDefaultTimeout(10_000);
  await page.goto(stack.url);
  await page.getByRole('button', { name: 'Choose files' }).waitFor();
  await page.evaluate(`{
    const entry = (name, file) => ({ kind: 'file', getAsFile: () => null, webkitGetAsEntry: () =>
      ({ isFile: true, fullPath: '/' + name, file: (take, refuse) => file ? take(file) : refuse(new DOMException('no')) }) });
    const drop = new DragEvent('drop', { bubbles: true, cancelable: true });
    const long = 'n'.repeat(1001);
    Object.defineProperty(drop, 'dataTransfer', { value: { items: [
      entry('locked.txt'), entry(long, new File(['x'], long)), entry('beside.txt', new File(['beside them'], 'beside.txt')),
    ] } });
    document.dispatchEvent(drop);
  }`);
  await page.locator('li[data-status="ready"]', { hasText: 'beside.txt' }).waitFor();
  const locked = page.locator('li[data-status="failed"]', { hasText: 'locked.txt' });
  await locked.getByText('UNREADABLE').waitFor();
  await page.locator('li[data-status="failed"]', { hasText: 'nnn' }).getByText('API_INVALID').waitFor();
  await page.getByRole('button', { name: 'Dismiss locked.txt' }).click();
  await locked.waitFor({ state: 'detached' });
});

test('while the API asks to wait, the page waits and sends again', async () => {
  const { page } = await openPage();
  page.setDefaultTimeout(10_000);
  let refused = 0;
  await page.route('**/v1/documents**', async (route) => {
    if (refused >= 3) return route.continue();
    refused += 1;
    return route.fulfill({ status: 429, headers: { 'retry-after': '0' }, json: { title: 'Too many' } });
  });
  await page.goto(stack.url);
  await page.getByRole('button', { name: 'Choose files' }).waitFor();
  await expect.poll(() => refused).toBe(3);
  refused = 0;
  await page.getByTestId('files').setInputFiles({
    name: 'patient.txt',
    mimeType: 'text/plain',
    buffer: Buffer.from('sent in the end'),
  });
  await page.locator('li[data-status="ready"]', { hasText: 'patient.txt' }).waitFor();
  expect(refused).toBe(3);
});
