import { expect, test } from 'vitest';
import { written } from '../../test/bundles.ts';
import { MIGRATIONS } from '../migrations.ts';
import { checkMigrations } from './migrations.ts';

async function rules(sql: string): Promise<string[]> {
  const path = await written({ '9000_change.sql': sql });
  return (await checkMigrations(path)).map((finding) => `${finding.rule} ${finding.object}`);
}

test('the migrations keep the rules', async () => {
  expect(await checkMigrations(MIGRATIONS)).toEqual([]);
});

test.each([
  [
    'an index that blocks writers',
    'CREATE INDEX x_idx ON people.person (tenant_id, phone);',
    'lock-index 9000_change.sql:1',
  ],
  ...[
    'CREATE INDEX ON people.person (tenant_id, phone);',
    'CREATE UNIQUE INDEX x_idx ON "people"."person" (tenant_id, phone);',
    'CREATE /* why */ INDEX x_idx ON people.person (tenant_id, phone);',
    'CREATE TABLE IF NOT EXISTS people.person (id bigint); CREATE INDEX x_idx ON people.person (tenant_id);',
  ].map((sql) => ['the same, written otherwise', sql, 'lock-index 9000_change.sql:1']),
  ...[
    'ADD COLUMN x bigserial',
    'SET UNLOGGED',
    'SET TABLESPACE other',
    'ALTER COLUMN search_name SET EXPRESSION AS (given_name)',
  ].map((change) => [
    `every row written anew (${change})`,
    `ALTER TABLE people.person ${change};`,
    'lock-rewrite 9000_change.sql:1',
  ]),
  ...['DEFAULT random()', 'GENERATED ALWAYS AS (1) STORED', 'GENERATED ALWAYS AS IDENTITY'].map((value) => [
    `a new column whose values are computed row by row (${value})`,
    `ALTER TABLE people.person ADD COLUMN x numeric ${value};`,
    'adding-field-with-default 9000_change.sql:1',
  ]),
  [
    'NOT NULL that reads the whole table',
    'ALTER TABLE people.person ALTER COLUMN phone SET NOT NULL;',
    'adding-not-nullable-field 9000_change.sql:1',
  ],
  [
    'a new column with a check of its own',
    'ALTER TABLE IF EXISTS people.person ADD COLUMN x numeric(5,2) DEFAULT 1 CHECK (x > 0);',
    'lock-validate 9000_change.sql:1',
  ],
  ['a lock', 'LOCK TABLE people.person;', 'lock-cluster 9000_change.sql:1'],
  [
    'a change of type',
    '\nALTER TABLE people.person ALTER COLUMN phone TYPE integer;',
    'lock-rewrite 9000_change.sql:2',
  ],
  [
    'a check that reads the whole table',
    'ALTER TABLE people.person ADD CONSTRAINT x_check CHECK (length(phone) < 20);',
    'lock-validate 9000_change.sql:1',
  ],
  [
    'an exclusion constraint on a table with rows',
    'ALTER TABLE people.person ADD COLUMN x text, ADD CONSTRAINT x_excl EXCLUDE USING gist (tenant_id WITH =);',
    'lock-exclude 9000_change.sql:1',
  ],
  [
    'a foreign key that is checked against rows which the policies hide',
    `SET LOCAL ROLE erp_owner;
     ALTER TABLE people.person ADD CONSTRAINT x_fkey FOREIGN KEY (tenant_id, x_id) REFERENCES people.person NOT VALID;
     ALTER TABLE people.person VALIDATE CONSTRAINT x_fkey;`,
    'blind-foreign-key 9000_change.sql:3',
  ],
  ...[
    'UPDATE people.person SET phone = NULL;',
    'UPDATE ONLY "people"."person" AS p SET phone = NULL FROM people.student s;',
    'UPDATE people.person SET phone = NULL WHERE true;',
    'DELETE FROM people.person;',
    'DELETE FROM people.person p USING people.student s;',
    'DO $$ BEGIN DELETE FROM people.person; END $$;',
    'TRUNCATE TABLE people.person CASCADE;',
  ].map((sql) => [`every row at once (${sql})`, sql, 'rows-all 9000_change.sql:1']),
  [
    'a partition that is read when it is attached',
    "ALTER TABLE attendance.daily_mark ATTACH PARTITION attendance.old FOR VALUES FROM ('2025-01-01') TO ('2025-02-01');",
    'lock-attach 9000_change.sql:1',
  ],
  ['a column that goes', 'ALTER TABLE people.person DROP COLUMN phone;', 'ban-drop-column 9000_change.sql:1'],
  [
    'a required column without a default',
    'ALTER TABLE people.person ADD COLUMN x text NOT NULL;',
    'adding-required-field 9000_change.sql:1',
  ],
])('%s is refused', async (_, sql, finding) => {
  expect(await rules(sql)).toContain(finding);
});

test('a column whose values are known, and a check that waits, are let through', async () => {
  const sql = `ALTER TABLE people.person ADD COLUMN x timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN y text; -- CREATE INDEX y_idx ON people.person (y);
    ALTER TABLE people.person ADD CONSTRAINT y_check CHECK (y <> 'x') NOT VALID;`;
  expect(await rules(sql)).toEqual([]);
});

test('some rows, new tables, functions and partitions that are known may be written', async () => {
  const sql = `UPDATE people.person SET phone = NULL WHERE phone = '';
    DELETE FROM people.person p USING people.student s WHERE s.person_id = p.id;
    CREATE TABLE people.pet (tenant_id integer NOT NULL, id bigint NOT NULL, PRIMARY KEY (tenant_id, id),
      FOREIGN KEY (tenant_id, id) REFERENCES people.person ON UPDATE CASCADE ON DELETE SET NULL);
    INSERT INTO people.pet VALUES (1, 1) ON CONFLICT (tenant_id, id) DO UPDATE SET id = 2;
    UPDATE people.pet SET id = 3;
    CREATE TRIGGER pet_kept BEFORE TRUNCATE ON people.pet EXECUTE FUNCTION tenancy.refuse_change('pet');
    CREATE FUNCTION people.forget() RETURNS void LANGUAGE plpgsql AS $$ BEGIN DELETE FROM people.person; END $$;
    GRANT UPDATE, TRUNCATE ON people.pet TO erp_owner;
    ALTER TABLE attendance.old ADD CONSTRAINT old_days CHECK (day >= '2025-01-01' AND day < '2025-02-01') NOT VALID;
    ALTER TABLE attendance.old VALIDATE CONSTRAINT old_days;
    ALTER TABLE attendance.daily_mark ATTACH PARTITION attendance.old FOR VALUES FROM ('2025-01-01') TO ('2025-02-01');`;
  expect((await rules(sql)).filter((rule) => /^(rows|lock)-/.test(rule))).toEqual([]);
});

test('a new table may have its indexes and constraints at once', async () => {
  const sql = `CREATE TABLE people.pet (tenant_id integer NOT NULL, id bigint NOT NULL, PRIMARY KEY (tenant_id, id));
    CREATE INDEX pet_idx ON people.pet (tenant_id, id);`;
  expect(await rules(sql)).toEqual([]);
});

test('a foreign key may be checked by a role that sees every row', async () => {
  const sql = `SET LOCAL ROLE erp_owner;
    COMMENT ON TABLE people.person IS 'Somebody.';
    RESET ROLE;
    ALTER TABLE people.person VALIDATE CONSTRAINT x_fkey;`;
  expect(await rules(sql)).toEqual([]);
});
