import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { countDump, dumpRows } from './dump-rows.ts';

let bin: string;

beforeEach(() => {
  bin = mkdtempSync(path.join(tmpdir(), 'stackyard-dump-'));
});

afterEach(() => rmSync(bin, { recursive: true, force: true }));

/** What is counted when `pg_restore` writes this, and ends so. */
function count(script: string, code = 0): Map<string, number> {
  writeFileSync(path.join(bin, 'script'), script);
  writeFileSync(path.join(bin, 'pg_restore'), `#!/bin/sh\ncat "$(dirname "$0")/script"\nexit ${code}\n`);
  chmodSync(path.join(bin, 'pg_restore'), 0o755);
  const env = { PATH: `${bin}:${process.env.PATH}` };
  return dumpRows(execFileSync('sh', ['-c', countDump], { env, encoding: 'utf8', input: 'the rest' }));
}

test('rows are lines between COPY and its end, whatever is in them and whatever a table is called', () => {
  const script = String.raw`--
-- Data for Name: orders; Type: TABLE DATA
COPY public.orders (id, note) FROM stdin;
1	COPY public.other (id) FROM stdin;
2	\\.
3	-- read to its end
\.

COPY public."odd ""t.a" ("a b") FROM stdin;
x
\.
COPY "My Schema".nothing  FROM stdin;


\.
COPY public.empty (id) FROM stdin;
\.
SELECT pg_catalog.setval('public.orders_id_seq', 3, true);
`;
  expect(Object.fromEntries(count(script))).toEqual({
    'public.orders': 3,
    'public.odd "t.a': 1,
    'My Schema.nothing': 2,
    'public.empty': 0,
  });
});

test('a dump that cannot be read to its end fails', () => {
  expect(() => count('COPY public.orders (id) FROM stdin;\n1\n', 1)).toThrow();
  expect(() => count('COPY public.orders (id) FROM stdin;\n1\n', 0)).toThrow(); // cut within the data
});
