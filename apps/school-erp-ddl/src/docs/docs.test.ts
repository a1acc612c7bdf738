import { expect, test } from 'vitest';
import { folder } from '../../test/bundles.ts';
import { useDatabase } from '../../test/database.ts';
import { diagram } from './diagram.ts';
import { DOCS, documentation, drift, writeDocumentation } from './files.ts';
import { readModel } from './model.ts';

const db = useDatabase();

test('the committed documentation is what the catalog says', async () => {
  expect(await drift(await documentation(db.client, { reuse: DOCS }))).toEqual([]);
});

test('a change of the schema makes the documentation stale', async () => {
  let stale: string[] = [];
  await db.client
    .tx(async (tx) => {
      await tx.execute("COMMENT ON COLUMN audit.entry.row_id IS 'Something else.'");
      stale = await drift(await documentation(tx, { reuse: DOCS }));
      throw new Error('undo');
    })
    .catch(() => undefined);
  expect(stale).toEqual(['diagrams/audit.svg', 'dictionary.html', 'dictionary/audit.md']);
});

test('a file that is no longer part of the documentation is removed', async () => {
  const path = await folder();
  await writeDocumentation(new Map([['old.md', 'x']]), path);
  await writeDocumentation(new Map([['new.md', 'y']]), path);
  expect(await drift(new Map([['new.md', 'y']]), path)).toEqual([]);
});

test('a diagram shows every table of its domain and every reference, and is the same each time', async () => {
  const domain = (await readModel(db.client)).find(({ name }) => name === 'calendar')!;
  const svg = await diagram(domain);
  for (const table of domain.tables) expect(svg).toContain(`data-table="${table.name}"`);
  expect(svg).toContain('data-from="calendar.bell_period" data-to="calendar.bell_schedule"');
  expect(await diagram(domain)).toBe(svg);
});
