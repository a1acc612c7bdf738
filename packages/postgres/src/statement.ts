/** A statement with its parameters apart, as `pg` takes it. */
export interface Statement {
  readonly text: string;
  readonly values: readonly unknown[];
}

/**
 * Writes a statement with its parameters in place; each `${}` becomes a parameter, never text, unless it is itself
 * made by `sql`.
 *
 * @example client.query(sql`SELECT * FROM person WHERE id = ${id}`)
 */
export function sql(strings: TemplateStringsArray, ...parts: readonly unknown[]): Statement {
  const values: unknown[] = [];
  let text = strings[0] as string;
  parts.forEach((part, index) => {
    if (isStatement(part)) {
      const offset = values.length;
      text += part.text.replace(/\$(\d+)/g, (_, number: string) => `$${Number(number) + offset}`);
      values.push(...part.values);
    } else {
      values.push(part);
      text += `$${values.length}`;
    }
    text += strings[index + 1];
  });
  return mark({ text, values });
}

/** A name as SQL text, for use inside `sql`: `schema.table` has its parts quoted one by one. */
export function identifier(...names: readonly string[]): Statement {
  return mark({ text: names.map(quoteIdentifier).join('.'), values: [] });
}

export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

const made = new WeakSet<object>();

function mark(statement: Statement): Statement {
  made.add(statement);
  return statement;
}

/** Only what `sql` made counts: a parameter that merely has the same shape stays a parameter. */
function isStatement(value: unknown): value is Statement {
  return typeof value === 'object' && value !== null && made.has(value);
}
