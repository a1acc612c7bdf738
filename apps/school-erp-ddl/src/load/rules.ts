/**
 * What a trigger of inserts sees to, for a whole table at once. All its rows are of one tenant, `{tenant}`, because the
 * table was empty before.
 */
export interface Rule {
  /**
   * Each finds rows that the trigger would have refused, or written otherwise; one row with a text is enough. Asked when
   * all else is in its place, what `derive` writes `into` another table included.
   */
  readonly broken?: readonly string[];
  /** Writes what the trigger would have written elsewhere; `{table}` is the table, or each of its partitions. */
  readonly derive?: string;
  /** The table that `derive` fills; it has to be empty before, as the loaded ones have. */
  readonly into?: string;
}

/** From where a series goes on. */
const series = (table: string, column: string, code: string): string =>
  `INSERT INTO fees.number_series AS s (tenant_id, code, last_number)
    SELECT {tenant}, '${code}', max(${column}) FROM ${table} WHERE tenant_id = {tenant} HAVING max(${column}) IS NOT NULL
    ON CONFLICT (tenant_id, code) DO UPDATE SET last_number = greatest(s.last_number, EXCLUDED.last_number)`;

/** A series without gaps that ends where the table does, from which the next number is taken. */
const numbered = (table: string, column: string, code: string): Rule => ({
  broken: [
    `SELECT 'the numbers of tenant ' || tenant_id || ' are not 1 to ' || count(*) AS row FROM ${table}
     GROUP BY tenant_id HAVING min(${column}) <> 1 OR max(${column}) <> count(*) LIMIT 1`,
  ],
  derive: series(table, column, code),
});

const INVOICES = `
  SELECT 'invoice ' || i.number || ': total or allocated is not the sum of what it stands for' AS row
  FROM fees.invoice i
  LEFT JOIN (SELECT tenant_id, invoice_id, sum(amount) AS amount FROM fees.invoice_line GROUP BY 1, 2) l
    ON l.tenant_id = i.tenant_id AND l.invoice_id = i.id
  LEFT JOIN (
    SELECT tenant_id, invoice_id, sum(amount) AS amount FROM (
      SELECT tenant_id, invoice_id, amount FROM fees.allocation
      UNION ALL SELECT tenant_id, invoice_id, amount FROM fees.credit_note) AS paid GROUP BY 1, 2) p
    ON p.tenant_id = i.tenant_id AND p.invoice_id = i.id
  WHERE i.total <> coalesce(l.amount, 0) OR i.allocated <> coalesce(p.amount, 0) LIMIT 1`;

const PAYMENTS = `
  SELECT 'payment with receipt ' || p.receipt_number || ': allocated is not the sum of its allocations and refunds' AS row
  FROM fees.payment p
  LEFT JOIN (
    SELECT tenant_id, payment_id, sum(amount) AS amount FROM (
      SELECT tenant_id, payment_id, amount FROM fees.allocation
      UNION ALL SELECT tenant_id, payment_id, amount FROM fees.refund) AS used GROUP BY 1, 2) u
    ON u.tenant_id = p.tenant_id AND u.payment_id = p.id
  WHERE p.allocated <> coalesce(u.amount, 0) LIMIT 1`;

/** How many marks are of a kind. Faster than a join: the codes of a kind are looked up once. */
const ofKind = (kind: string): string =>
  `count(*) FILTER (WHERE code = ANY (ARRAY(SELECT c.code FROM attendance.code c WHERE c.tenant_id = {tenant} AND c.kind = '${kind}')))`;

/**
 * By table and trigger, or by table alone for columns that only triggers write otherwise. A trigger that is not here
 * keeps its table from being loaded in bulk.
 */
export const RULES: Readonly<Record<string, Rule>> = {
  'attendance.daily_mark.daily_mark_added': {
    broken: [
      `SELECT 'student ' || person_id || ' on ' || day || ': a mark of the whole day and one of a half' AS row FROM attendance.daily_mark
       WHERE EXISTS (SELECT FROM attendance.month_count WHERE halves > 0)
       GROUP BY tenant_id, person_id, day, organisation_id
       HAVING bool_or(session_code = 'D') AND bool_or(session_code <> 'D') LIMIT 1`,
    ],
    into: 'attendance.month_count',
    derive: `INSERT INTO attendance.month_count (tenant_id, person_id, organisation_id, month, present, late, absent, excused, halves)
      SELECT {tenant}, person_id, organisation_id, date_trunc('month', day::timestamp)::date AS month,
        ${['present', 'late', 'absent', 'excused'].map(ofKind).join(', ')}, count(*) FILTER (WHERE session_code <> 'D')
      FROM {table} GROUP BY person_id, organisation_id, month`,
  },
  'fees.invoice': {
    broken: [INVOICES],
    derive: series('fees.invoice', 'number', 'invoice'),
  },
  'fees.payment': { broken: [PAYMENTS] },
  'fees.invoice_line.invoice_line_sum': { broken: [INVOICES] },
  'fees.allocation.allocation_sum': { broken: [INVOICES, PAYMENTS] },
  'fees.payment.payment_number': numbered('fees.payment', 'receipt_number', 'receipt'),
  'fees.journal_entry': numbered('fees.journal_entry', 'number', 'journal'),
  'fees.journal_entry.journal_entry_prepare': {
    broken: [
      `SELECT 'posting ' || e.number || ' is in a closed period' AS row FROM fees.journal_entry e
       JOIN fees.fiscal_period p ON p.tenant_id = e.tenant_id AND p.days @> e.entry_date AND p.closed_at IS NOT NULL LIMIT 1`,
    ],
  },
  'fees.journal_entry.journal_entry_balance': {
    broken: [
      `SELECT 'posting ' || e.number || ' has ' || coalesce(l.lines, 0) || ' lines that sum to ' || coalesce(l.balance, 0) AS row
       FROM fees.journal_entry e
       LEFT JOIN (SELECT tenant_id, journal_entry_id, count(*) AS lines, sum(amount) AS balance
         FROM fees.journal_line GROUP BY 1, 2) l ON l.tenant_id = e.tenant_id AND l.journal_entry_id = e.id
       WHERE l.lines IS NULL OR l.lines < 2 OR l.balance <> 0 LIMIT 1`,
      `SELECT 'posting ' || min(e.number) || ' does not undo what it reverses' AS row
       FROM fees.journal_entry e
       CROSS JOIN LATERAL (SELECT * FROM fees.journal_line
         WHERE tenant_id = e.tenant_id AND journal_entry_id IN (e.id, e.reverses_id) OFFSET 0) l
       WHERE e.reverses_id IS NOT NULL
       GROUP BY e.tenant_id, e.id, l.account_id, l.person_id, l.invoice_id HAVING sum(l.amount) <> 0 LIMIT 1`,
    ],
  },
  // Its entries come with it: what is balanced is whole.
  'fees.journal_line.journal_line_open': {
    broken: [
      `SELECT 'account ' || a.code || ' takes no lines itself' AS row FROM fees.account a
       CROSS JOIN LATERAL (SELECT FROM fees.journal_line l WHERE l.tenant_id = a.tenant_id AND l.account_id = a.id LIMIT 1) l
       WHERE NOT a.is_postable LIMIT 1`,
    ],
  },
  'fees.journal_line.journal_line_balance': {},
};

/** The rules of tables, whichever trigger they stand for. */
export function rulesOf(tables: readonly string[]): Rule[] {
  return Object.entries(RULES)
    .filter(([key]) => tables.some((table) => key === table || key.startsWith(`${table}.`)))
    .map(([, rule]) => rule);
}

/** A statement of a rule for a tenant, and for a table or partition where it names one. */
export function filledIn(statement: string, tenant: number, table = ''): string {
  return statement.replaceAll('{tenant}', String(tenant)).replaceAll('{table}', table);
}
