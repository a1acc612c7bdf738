/**
 * Reads a dump of `pg_dump -Fc` from its input to its end, and writes how many rows each table has in it: a line of a
 * data block is a row, since line breaks in the data are escaped. Fails where `pg_restore` cannot read all of it.
 */
export const countDump = `
end='-- read to its end'
{ pg_restore --data-only --file=- && echo "$end" && cat >/dev/null; } | LC_ALL=C awk -v end="$end" '
  inside { if ($0 == "\\\\.") { printf "%.0f\\t%s\\n", rows, table; inside = 0 } else rows++; next }
  /^COPY .* FROM stdin;$/ { table = substr($0, 6, length($0) - 18); rows = 0; inside = 1; next }
  $0 == end { whole = 1 }
  END { exit !whole }
'`;

/** Rows by `schema.table`, from what `countDump` writes: `3<tab>public."odd ""name""" (id, note)`. */
export function dumpRows(text: string): Map<string, number> {
  const rows = new Map<string, number>();
  for (const line of text.split('\n')) {
    const { count, schema, table } = counted.exec(line)?.groups ?? {};
    if (schema !== undefined && table !== undefined)
      rows.set(`${unquote(schema)}.${unquote(table)}`, Number(count));
  }
  return rows;
}

const identifier = '(?:"(?:[^"]|"")*"|[^".\\s]+)';
const counted = new RegExp(`^(?<count>\\d+)\\t(?<schema>${identifier})\\.(?<table>${identifier})(?: |$)`);

const unquote = (name: string): string =>
  name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name;
