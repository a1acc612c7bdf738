import { beforeAll, describe, expect, test } from 'vitest';
import { useDatabase } from './database.ts';
import { openSchool, refusedBy, type SchoolIds } from './school.ts';

const db = useDatabase();
let tenant: number;
let school: SchoolIds;
let numbers = 0;

beforeAll(async () => {
  ({ tenant, school } = await openSchool(db, 'ledger'));
});

const run = <R extends object>(statement: string) => db.asTenant(tenant, (tx) => tx.query<R>(statement));

async function invoice(...amounts: number[]): Promise<string> {
  return db.asTenant(tenant, async (tx) => {
    const { id } = await tx.one<{ id: string }>(
      `INSERT INTO fees.invoice (person_id, organisation_id, number, issued_on, due_on)
       VALUES ($1, $2, $3, '2026-09-01', '2026-09-30') RETURNING id`,
      [school.students[0], school.organisation, ++numbers],
    );
    for (const [i, amount] of amounts.entries()) {
      await tx.execute(
        `INSERT INTO fees.invoice_line (invoice_id, position, component_id, description, amount) VALUES ($1, $2, $3, 'x', $4)`,
        [id, i + 1, school.component, amount],
      );
    }
    return id;
  });
}

async function pay(
  amount: number,
  ...allocations: (readonly [invoice: string, amount: number])[]
): Promise<number> {
  return db.asTenant(tenant, async (tx) => {
    const payment = await tx.one<{ id: string; receipt_number: string }>(
      `INSERT INTO fees.payment (person_id, method_code, amount) VALUES ($1, 'cash', $2) RETURNING id, receipt_number`,
      [school.students[0], amount],
    );
    for (const [target, part] of allocations) {
      await tx.execute('INSERT INTO fees.allocation (payment_id, invoice_id, amount) VALUES ($1, $2, $3)', [
        payment.id,
        target,
        part,
      ]);
    }
    return Number(payment.receipt_number);
  });
}

const sums = async (id: string) =>
  (
    await run<{ total: string; allocated: string }>(
      `SELECT total, allocated FROM fees.invoice WHERE id = ${id}`,
    )
  )[0];

describe('invoices and payments', () => {
  test('the total is the sum of the lines, discounts included', async () => {
    expect(await sums(await invoice(100, 50, -30))).toEqual({ total: '120.00', allocated: '0.00' });
  });

  test('payments never cover more than the invoice, also when fifty come at once', async () => {
    const target = await invoice(100);
    const outcomes = await Promise.allSettled(Array.from({ length: 50 }, () => pay(10, [target, 10])));
    expect(outcomes.filter((outcome) => outcome.status === 'fulfilled')).toHaveLength(10);
    expect(await sums(target)).toEqual({ total: '100.00', allocated: '100.00' });
    expect(outcomes.find((outcome) => outcome.status === 'rejected')?.reason).toEqual(
      refusedBy('invoice_allocated_check'),
    );
  });

  test('a payment is not spent twice', async () => {
    const [one, two] = [await invoice(100), await invoice(100)];
    await expect(pay(100, [one!, 60], [two!, 60])).rejects.toEqual(refusedBy('payment_allocated_check'));
  });

  test('receipts have no gap, although some payments failed in between', async () => {
    const target = await invoice(1000);
    const before = await pay(1, [target, 1]);
    await expect(pay(1, [target, 5])).rejects.toThrow();
    const given = await Promise.all(Array.from({ length: 12 }, () => pay(1, [target, 1])));
    expect(given.sort((a, b) => a - b)).toEqual(Array.from({ length: 12 }, (_, i) => before + 1 + i));
  });

  test('what is final stays as it is, even for the owner', async () => {
    const target = await invoice(100);
    await pay(10, [target, 10]);
    for (const [table, constraint] of [
      ['fees.invoice_line SET amount = 1', 'invoice_line_final'],
      ['fees.payment SET amount = 1', 'payment_final'],
      ['fees.allocation SET amount = 1', 'allocation_final'],
      ['fees.invoice SET person_id = person_id', 'invoice_final'],
    ]) {
      await expect(db.client.execute(`UPDATE ${table}`)).rejects.toEqual(refusedBy(constraint!));
    }
    await expect(run('UPDATE fees.invoice SET total = 0')).rejects.toMatchObject({ sqlState: '42501' });
    await expect(run('UPDATE fees.invoice SET allocated = 0')).rejects.toMatchObject({ sqlState: '42501' });
  });

  test('a refund takes from what is not allocated', async () => {
    await pay(10);
    const [payment] = await run<{ id: string }>('SELECT id FROM fees.payment ORDER BY id DESC LIMIT 1');
    const refund = (amount: number) =>
      run(
        `INSERT INTO fees.refund (payment_id, amount, method_code, reason) VALUES (${payment!.id}, ${amount}, 'cash', 'x')`,
      );
    await refund(6);
    await expect(refund(5)).rejects.toEqual(refusedBy('payment_allocated_check'));
  });
});

describe('the ledger', () => {
  const post = (amounts: readonly number[], options: { date?: string; reverses?: string } = {}) =>
    db.asTenant(tenant, async (tx) => {
      const { id } = await tx.one<{ id: string }>(
        `INSERT INTO fees.journal_entry (entry_date, source_kind, description, reverses_id)
         VALUES ($1, 'manual', 'x', $2) RETURNING id`,
        [options.date ?? '2026-10-01', options.reverses ?? null],
      );
      for (const [i, amount] of amounts.entries()) {
        await tx.execute(
          'INSERT INTO fees.journal_line (journal_entry_id, line_number, account_id, amount) VALUES ($1, $2, $3, $4)',
          [id, i + 1, school.accounts[i % 2], amount],
        );
      }
      return id;
    });

  test('takes an entry that balances', async () => {
    await post([100, -60, -40]);
  });

  test.each([
    ['out of balance', [100, -99]],
    ['without lines', []],
    ['with a single line', [100]],
  ])('refuses, at commit, an entry %s', async (_, amounts) => {
    await expect(post(amounts)).rejects.toEqual(refusedBy('journal_entry_balance'));
  });

  test('does not take lines for an entry of an earlier transaction, balanced or not', async () => {
    const id = await post([5, -5]);
    await expect(
      run(
        `INSERT INTO fees.journal_line (journal_entry_id, line_number, account_id, amount)
         VALUES (${id}, 3, ${school.accounts[0]}, 7), (${id}, 4, ${school.accounts[1]}, -7)`,
      ),
    ).rejects.toEqual(refusedBy('journal_line_open'));
  });

  test('takes no lines on an account that only sums others', async () => {
    const postable = (yes: boolean) =>
      run(`UPDATE fees.account SET is_postable = ${yes} WHERE id = ${school.accounts[0]}`);
    await postable(false);
    await expect(post([5, -5])).rejects.toEqual(refusedBy('journal_line_postable'));
    await postable(true);
    await post([5, -5]);
  });

  test('lets an entry be reversed once and changed never', async () => {
    const id = await post([20, -20]);
    await post([-20, 20], { reverses: id });
    await expect(post([-20, 20], { reverses: id })).rejects.toEqual(
      refusedBy('journal_entry_reverses_id_key'),
    );
    await expect(db.client.execute('UPDATE fees.journal_line SET amount = amount * 2')).rejects.toEqual(
      refusedBy('journal_line_final'),
    );
    await expect(db.client.execute('DELETE FROM fees.journal_entry')).rejects.toEqual(
      refusedBy('journal_entry_final'),
    );
  });

  test('is closed with its period', async () => {
    await run(
      "INSERT INTO fees.fiscal_period (name, days, closed_at) VALUES ('2025', '[2025-01-01,2026-01-01)', now())",
    );
    await expect(post([1, -1], { date: '2025-12-31' })).rejects.toEqual(refusedBy('journal_entry_period'));
  });

  test('numbers entries without gaps', async () => {
    const rows = await run<{ gaps: boolean }>(
      'SELECT max(number) <> count(*) AS gaps FROM fees.journal_entry',
    );
    expect(rows).toEqual([{ gaps: false }]);
  });
});
