import { once } from 'node:events';
import { createHealth } from '@stackyard/healthchecks';
import { openPage } from '@stackyard/testing/page';
import { expect, onTestFinished, test } from 'vitest';
import { useDatabase } from '../../test/database.ts';
import { setUp } from '../cli/setup.ts';
import { Explorer } from './server.ts';

const db = useDatabase();

test('a person finds a table, follows a relation, zooms, runs a query and sees a changed schema at once', async () => {
  await setUp(db.client);
  const explorer = new Explorer({ client: () => db.client, health: createHealth({ checks: {} }) });
  explorer.server.listen(0, '127.0.0.1');
  await once(explorer.server, 'listening');
  onTestFinished(() => explorer.close());
  const { port } = explorer.server.address() as { port: number };
  const { page, errors } = await openPage({ viewport: { width: 1500, height: 900 } });
  await page.goto(`http://127.0.0.1:${port}/`);

  await page.getByPlaceholder('Search tables').fill('allocation');
  await page.getByRole('button', { name: 'fees.allocation' }).first().click();
  await page.getByRole('heading', { name: 'fees.allocation' }).waitFor();
  await page.locator('#details').getByRole('button', { name: 'fees.invoice' }).first().click();
  await page.getByRole('heading', { name: 'fees.invoice' }).waitFor();
  expect(await page.locator('#canvas .table.chosen').getAttribute('data-table')).toBe('fees.invoice');
  const picture = page.locator('#canvas svg');
  const before = await picture.getAttribute('style');
  await page.getByRole('button', { name: 'Zoom in' }).click();
  expect(await picture.getAttribute('style')).not.toBe(before);
  if (process.env.SCREENSHOT) await page.screenshot({ path: process.env.SCREENSHOT });

  await page.getByRole('button', { name: 'Queries' }).click();
  await page.getByRole('button', { name: 'Roll of a homeroom' }).click();
  await page.locator('#plan').filter({ hasText: 'Execution Time' }).waitFor();

  await db.client.execute(
    "CREATE TABLE fees.waiver (tenant_id integer, id bigint); COMMENT ON TABLE fees.waiver IS 'New.'",
  );
  explorer.announce({ kind: 'schema' });
  await page.locator('body[data-version="2"]').waitFor({ timeout: 5000 });
  await page.getByRole('button', { name: 'Diagram' }).click();
  await page.locator('#canvas [data-table="fees.waiver"]').waitFor();
  explorer.announce({ kind: 'problem', message: 'line 3: syntax error' });
  await page.getByText('line 3: syntax error').waitFor();
  expect(errors).toEqual([]);
}, 120_000);
