import { beforeAll, describe, expect, test } from 'vitest';
import { useDatabase } from '../test/database.ts';
import { enterTenant, type Queryable } from './database.ts';

const db = useDatabase();
let north: number;
let south: number;

beforeAll(async () => {
  const made = await db.client.query<{ id: number }>(
    "INSERT INTO tenancy.tenant (code, name) VALUES ('north', 'North'), ('south', 'South') RETURNING id",
  );
  [north, south] = made.map((row) => row.id) as [number, number];
});

function asTenant<T>(tenant: number, work: (tx: Queryable) => Promise<T>): Promise<T> {
  return db.client.tx(async (tx) => {
    await enterTenant(tx, tenant);
    return work(tx);
  });
}

const addOrganisation =
  "INSERT INTO organisation.organisation (type_code, name) VALUES ('school', $1) RETURNING id";

test('a tenant sees and changes its own rows only', async () => {
  await asTenant(south, (tx) => tx.query(addOrganisation, ['South School']));
  const seen = await asTenant(north, async (tx) => {
    await tx.query(addOrganisation, ['North School']);
    const changed = await tx.execute("UPDATE organisation.organisation SET name = name || '!'");
    const removed = await tx.execute("DELETE FROM organisation.organisation WHERE name LIKE 'South%'");
    return { changed, removed, rows: await tx.query('SELECT name FROM organisation.organisation') };
  });
  expect(seen).toEqual({ changed: 1, removed: 0, rows: [{ name: 'North School!' }] });
});

test('a row cannot be given to another tenant', async () => {
  const insert = `INSERT INTO organisation.organisation (tenant_id, type_code, name) VALUES (${south}, 'school', 'Spy')`;
  await expect(asTenant(north, (tx) => tx.query(insert))).rejects.toMatchObject({ sqlState: '42501' });
  const move = `UPDATE organisation.organisation SET tenant_id = ${south}`;
  await expect(asTenant(north, (tx) => tx.query(move))).rejects.toMatchObject({ sqlState: '42501' });
});

test('a foreign key does not reach into another tenant', async () => {
  const [theirs] = await asTenant(south, (tx) => tx.query<{ id: string }>(addOrganisation, ['Parent']));
  await expect(
    asTenant(north, (tx) =>
      tx.query(
        "INSERT INTO organisation.organisation (type_code, name, parent_id) VALUES ('school', 'x', $1)",
        [theirs!.id],
      ),
    ),
  ).rejects.toMatchObject({ sqlState: '23503', constraint: 'organisation_parent_fkey' });
});

test('without a tenant nothing is visible and nothing can be written', async () => {
  const visible = await db.client.tx(async (tx) => {
    await tx.execute('SET LOCAL ROLE erp_app');
    return tx.query('SELECT FROM organisation.organisation');
  });
  expect(visible).toEqual([]);
  await expect(
    db.client.tx(async (tx) => {
      await tx.execute('SET LOCAL ROLE erp_app');
      await tx.query(addOrganisation, ['Nobody']);
    }),
  ).rejects.toMatchObject({ sqlState: expect.stringMatching(/42501|23502/) });
});

test('the tenant ends with the transaction, so a pooled connection does not carry it on', async () => {
  await db.client.connection(async (connection) => {
    await connection.query('BEGIN');
    await connection.query('SELECT tenancy.enter($1)', [north]);
    await connection.query('COMMIT');
    const { rows } = await connection.query('SELECT tenancy.current_tenant() AS tenant');
    expect(rows).toEqual([{ tenant: null }]);
  });
});

describe('roles', () => {
  test('the app neither bypasses row-level security nor makes tenants', async () => {
    const [role] = await db.client.query(
      "SELECT rolbypassrls, rolsuper, rolcanlogin FROM pg_roles WHERE rolname = 'erp_app'",
    );
    expect(role).toEqual({ rolbypassrls: false, rolsuper: false, rolcanlogin: false });
    await expect(
      asTenant(north, (tx) => tx.query("INSERT INTO tenancy.tenant (code, name) VALUES ('mine', 'Mine')")),
    ).rejects.toMatchObject({ sqlState: '42501' });
    await expect(
      asTenant(north, (tx) => tx.query("UPDATE tenancy.tenant SET code = 'other'")),
    ).rejects.toMatchObject({ sqlState: '42501' });
  });

  test('the app changes no table', async () => {
    await expect(
      asTenant(north, (tx) => tx.query('ALTER TABLE people.person DISABLE ROW LEVEL SECURITY')),
    ).rejects.toMatchObject({ sqlState: '42501' });
  });

  test('an analyst reads the rows of its tenant and writes none', async () => {
    const read = (statement: string) =>
      db.client.tx(async (tx) => {
        await tx.execute('SET LOCAL ROLE erp_analyst');
        await tx.query('SELECT tenancy.enter($1)', [north]);
        return tx.query(statement);
      });
    expect(await read('SELECT DISTINCT tenant_id FROM organisation.organisation')).toEqual([
      { tenant_id: north },
    ]);
    await expect(read('DELETE FROM organisation.organisation')).rejects.toMatchObject({ sqlState: '42501' });
    await expect(read('SELECT * FROM oneroster.credential')).rejects.toMatchObject({ sqlState: '42501' });
  });

  test('the owner is bound by row-level security too', async () => {
    const rows = await db.client.tx(async (tx) => {
      await tx.execute('SET LOCAL ROLE erp_owner');
      return tx.query('SELECT FROM organisation.organisation');
    });
    expect(rows).toEqual([]);
  });
});

test('an organisation cannot be above itself, however long the circle', async () => {
  await expect(
    asTenant(north, async (tx) => {
      const [top] = await tx.query<{ id: string }>(addOrganisation, ['Top']);
      const [low] = await tx.query<{ id: string }>(
        "INSERT INTO organisation.organisation (type_code, name, parent_id) VALUES ('school', 'Low', $1) RETURNING id",
        [top!.id],
      );
      await tx.execute('UPDATE organisation.organisation SET parent_id = $1 WHERE id = $2', [
        low!.id,
        top!.id,
      ]);
    }),
  ).rejects.toMatchObject({ constraint: 'organisation_cycle' });
});

test('a tree of organisations has a bottom', async () => {
  await expect(
    asTenant(north, (tx) =>
      tx.execute(`DO $$
        DECLARE
          above bigint;
        BEGIN
          FOR level IN 0 .. 100 LOOP
            INSERT INTO organisation.organisation (type_code, name, parent_id)
            VALUES ('department', 'Level ' || level, above) RETURNING id INTO above;
          END LOOP;
        END $$`),
    ),
  ).rejects.toMatchObject({ constraint: 'organisation_depth' });
});
