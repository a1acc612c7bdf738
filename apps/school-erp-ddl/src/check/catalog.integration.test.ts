import { expect, test } from 'vitest';
import { useDatabase } from '../../test/database.ts';
import { checkCatalog } from './catalog.ts';

const db = useDatabase();

test('the schema keeps every rule', async () => {
  expect(await checkCatalog(db.client)).toEqual([]);
});

/** Runs statements in a transaction that is undone, and returns the findings they cause. */
async function findingsAfter(...statements: string[]): Promise<string[]> {
  let found: string[] = [];
  await db.client
    .tx(async (tx) => {
      for (const statement of statements) await tx.execute(statement);
      found = (await checkCatalog(tx)).map((finding) => `${finding.rule}: ${finding.object}`);
      throw new Error('undo');
    })
    .catch(() => undefined);
  return found;
}

const TABLE =
  'CREATE TABLE people.pet (tenant_id integer NOT NULL, id bigint PRIMARY KEY, person_id bigint NOT NULL)';
const OWNED = 'ALTER TABLE people.pet OWNER TO erp_owner';

test('a table that keeps no rule is found by each of them', async () => {
  const reversed =
    'ALTER TABLE people.pet ADD CONSTRAINT pet_fkey FOREIGN KEY (person_id, tenant_id) REFERENCES people.person (id, tenant_id)';
  expect(await findingsAfter(TABLE, reversed)).toEqual(
    expect.arrayContaining([
      'row-level-security: people.pet',
      'tenant-policy: people.pet',
      'tenant-first-key: people.pet pet_pkey',
      'tenant-foreign-key: people.pet pet_fkey',
      'tenant-anchored: people.pet',
      'comment: people.pet',
      'comment: people.pet.person_id',
      'constraint-message: people.pet pet_pkey',
      'owner: people.pet',
    ]),
  );
});

test.each([
  [
    'a foreign key without an index',
    'indexed-foreign-key: people.pet pet_person_fkey',
    [
      TABLE,
      OWNED,
      'ALTER TABLE people.pet ADD CONSTRAINT pet_person_fkey FOREIGN KEY (tenant_id, person_id) REFERENCES people.person (tenant_id, id)',
    ],
  ],
  [
    'an index that another begins with',
    'redundant-index: people.extra_idx',
    ['CREATE INDEX extra_idx ON people.user_profile (tenant_id)'],
  ],
  [
    'a view without security_invoker',
    'security-invoker: people.everybody',
    ['CREATE VIEW people.everybody AS SELECT * FROM people.person'],
  ],
  [
    'a policy that lets others through',
    'tenant-policy: people.photo',
    ['CREATE POLICY open ON people.photo USING (true)'],
  ],
  [
    'a definer function without a search path',
    'definer-search-path: people.leak()',
    ["CREATE FUNCTION people.leak() RETURNS integer LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'"],
  ],
  [
    'a partition that can be reached by itself',
    'partition-privilege: audit.entry_2026_11',
    ['GRANT SELECT ON audit.entry_2026_11 TO erp_analyst'],
  ],
  [
    'a shared table that the app may write',
    'shared-table: country.pack',
    ['GRANT INSERT ON country.pack TO erp_app'],
  ],
  [
    'a sentence for a constraint that is gone',
    'constraint-message: people.photo photo_gone_check',
    ["INSERT INTO tenancy.constraint_message VALUES ('people', 'photo', 'photo_gone_check', 'Gone.')"],
  ],
  [
    'a unique index without a sentence',
    'constraint-message: people.photo photo_once_key',
    ['CREATE UNIQUE INDEX photo_once_key ON people.photo (tenant_id, person_id) WHERE person_id > 0'],
  ],
  [
    'a partition without row-level security',
    'row-level-security: audit.entry_2026_10',
    ['ALTER TABLE audit.entry_2026_10 NO FORCE ROW LEVEL SECURITY'],
  ],
])('%s is found', async (_, finding, statements) => {
  expect(await findingsAfter(...statements)).toContain(finding);
});
