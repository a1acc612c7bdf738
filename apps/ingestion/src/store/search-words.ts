import type { Transaction } from '@stackyard/postgres';
import { partitionOf, type StoredModel } from './models.ts';

/** What the words of a question find passages by, and what each is worth in their order. */
export interface Words {
  /** Each word or quoted phrase in PostgreSQL's notation, and what a passage earns for it: more for a rarer one. */
  readonly weighed: readonly { readonly word: string; readonly weight: number }[];
  /** Queries for the full-text index, the most telling first; a later one finds more and tells less. */
  readonly finds: readonly string[];
  /** How many passages are ranked; undefined where nothing is known about how often words come. */
  readonly limit: number | undefined;
  /** About how many passages the tenant has, and all tenants together; undefined where nothing is known. */
  readonly passages: { readonly own: number; readonly all: number } | undefined;
}

/** Passages whose rank is computed. Each costs about 10 us. */
const RANKED = 500;

/** Words that passages are found by: the rarest ones. All of their sets are looked at, so the number must be small. */
const FINDING = 6;

/** Words that count for the order. */
const WEIGHED = 32;

const LEXEME = /'((?:[^']|'')*)'/g;

/** Reads a question as a person would write it for a search engine: quotes, `or` and `-` have their meaning. */
export async function wordsOf(
  tx: Transaction,
  tenantId: string,
  model: StoredModel,
  text: string,
): Promise<Words> {
  const { query } = await tx.one<{ query: string }>(
    `SELECT websearch_to_tsquery('english', $1)::text AS query`,
    [withPlainDashes(text)],
  );
  // What stands in quotes holds together with `<->` and is one operand.
  const operands = query === '' ? [] : [...new Set(query.split(/ [&|] /))];
  const wanted = operands.filter((operand) => !operand.startsWith('!'));
  const known = await frequencies(tx, tenantId, model, wanted.flatMap(lexemesOf));
  const share = (operand: string) =>
    Math.min(...lexemesOf(operand).map((lexeme) => known.shares.get(lexeme) ?? known.least / 4));
  const sorted = wanted
    .map((word) => ({ word, share: share(word) }))
    .sort((a, b) => a.share - b.share)
    .slice(0, WEIGHED);
  const excluded = operands.filter((operand) => operand.startsWith('!'));
  const { passages } = known;
  if (wanted.length === 0) return { weighed: [], finds: [], limit: undefined, passages };
  return {
    passages,
    weighed: sorted.map(({ word, share: rate }) => ({ word, weight: Math.log(1 + 1 / rate) })),
    finds: findsOf(sorted.slice(0, FINDING), passages?.own).map((found) =>
      [`(${found})`, ...excluded].join(' & '),
    ),
    limit: passages === undefined ? undefined : RANKED,
  };
}

/**
 * A dash excludes where it stands directly before a word or a quote, and alone: PostgreSQL takes any for "not", those of
 * `--force` and `this - that` too, and refuses a question with more than 32 in a row.
 */
function withPlainDashes(text: string): string {
  return text.replace(/-{2,}|(?<![\p{L}\p{N}])-(?![\p{L}\p{N}"])/gu, ' ');
}

const lexemesOf = (operand: string) =>
  [...operand.matchAll(LEXEME)].map(([, lexeme]) => (lexeme as string).replaceAll("''", "'"));

interface Frequencies {
  readonly passages: Words['passages'];
  /** The share of all passages that hold a word, for the words of which it is known. */
  readonly shares: ReadonlyMap<string, number>;
  /** The others come less often than this. */
  readonly least: number;
}

/** What the database's statistics say. */
async function frequencies(
  tx: Transaction,
  tenantId: string,
  model: StoredModel,
  lexemes: string[],
): Promise<Frequencies> {
  const rows = await tx.query<{
    all: number;
    own: number;
    least: number | null;
    word: string;
    share: number;
  }>(
    `SELECT w.word, w.share, s.most_common_elem_freqs[cardinality(s.most_common_elem_freqs) - 1] AS least,
            p.reltuples AS all, p.reltuples * coalesce(o.share, (SELECT min(f) FROM unnest(t.most_common_freqs) AS f), 1) AS own
     FROM pg_class p JOIN pg_stats s ON s.tablename = p.relname AND s.attname = 'search'
     JOIN pg_stats t ON t.tablename = p.relname AND t.schemaname = s.schemaname AND t.attname = 'tenant_id'
     LEFT JOIN unnest(t.most_common_vals::text::text[], t.most_common_freqs) AS o(tenant, share) ON o.tenant = $3
     LEFT JOIN unnest(s.most_common_elems::text::text[], s.most_common_elem_freqs) AS w(word, share) ON w.word = ANY ($2)
     WHERE p.oid = to_regclass($1) AND s.schemaname = current_schema()`,
    [partitionOf(model.id), lexemes, tenantId],
  );
  const [first] = rows;
  return {
    passages: first && { own: Math.max(first.own, 1), all: first.all },
    shares: new Map(rows.map(({ word, share }) => [word, share])),
    least: first?.least ?? 0.01,
  };
}

/**
 * The sets of words that a passage may hold, from the one that comes least often: by the product of the shares, as if
 * words knew nothing of each other, which is the order of the weights too. Sets are joined into one query until it is
 * expected to find half of what will be ranked. The last query is any of the words, should the expectations be wrong.
 */
function findsOf(words: readonly { word: string; share: number }[], passages = 0): string[] {
  const sets = Array.from({ length: 2 ** words.length - 1 }, (_, index) => {
    const members = words.filter((_word, at) => ((index + 1) >> at) & 1);
    return {
      members: members.map(({ word }) => word),
      expected: members.reduce((product, { share }) => product * share, passages),
    };
  }).sort((a, b) => a.expected - b.expected || b.members.length - a.members.length);
  const groups: string[][][] = [];
  let [room, sum] = [0, 0];
  for (const { members, expected } of sets) {
    if (sum > 4 * RANKED) break;
    if (groups.length === 0 || expected > room) {
      groups.push([]);
      room = RANKED / 2;
    }
    // A smaller set finds what the larger ones do that it is part of.
    const rest = groups.at(-1)?.filter((set) => !members.every((word) => set.includes(word))) ?? [];
    groups[groups.length - 1] = [...rest, members];
    room -= expected;
    sum += expected;
  }
  const queries = groups.map((group) => group.map((set) => `(${set.join(' & ')})`).join(' | '));
  const any = words.map(({ word }) => `(${word})`).join(' | ');
  return queries.at(-1) === any ? queries : [...queries, any];
}
