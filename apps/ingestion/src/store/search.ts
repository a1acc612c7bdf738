import type { Client, Transaction } from '@stackyard/postgres';
import type { JsonValue, Vector } from '../pipeline/index.ts';
import { halfvecText } from './chunk-rows.ts';
import { partitionOf, type StoredModel } from './models.ts';

export interface SearchRequest {
  /** The question; already free of NUL and lone surrogates. */
  readonly text: string;
  /** The question's vector. Without it only words are looked for. */
  readonly vector?: Vector | undefined;
  readonly mode: 'hybrid' | 'vector' | 'text';
  readonly limit: number;
  readonly filter: {
    /** The document's metadata contains this. */
    readonly metadata?: { readonly [key: string]: JsonValue } | undefined;
    readonly documents?: readonly string[] | undefined;
    readonly createdAfter?: Date | undefined;
    readonly createdBefore?: Date | undefined;
  };
}

export interface SearchHit {
  readonly chunkId: string;
  readonly documentId: string;
  readonly name: string;
  readonly title: string | null;
  readonly sourceUrl: string | null;
  readonly metadata: { [key: string]: JsonValue };
  /** Higher is better. Comparable within one answer only. */
  readonly score: number;
  /** Place in the list by meaning and in the list by words, from 1; null where it is in neither. */
  readonly vectorRank: number | null;
  readonly textRank: number | null;
  readonly text: string;
  readonly context: string | null;
  /** Half-open ranges of UTF-16 code units in `text` that match a word of the question. */
  readonly highlights: readonly (readonly [start: number, end: number])[];
  /** Where the chunk stands in the extracted text, in UTF-16 code units. */
  readonly start: number;
  readonly end: number;
  readonly page: number | null;
  readonly pageEnd: number | null;
  readonly slide: number | null;
  readonly sheet: string | null;
  readonly headings: readonly string[];
  readonly file: readonly string[];
}

/** The constant of reciprocal rank fusion; 60 is the one of the paper (Cormack, Clarke, Büttcher 2009). */
const RRF_K = 60;

/** Candidates of each list. Beyond them a hit adds less than 1/160 to the score. */
const CANDIDATES = 100;

// Characters of a private use area, which extraction leaves alone and no text of meaning holds.
const MARK_START = '\u{F8F0}';
const MARK_END = '\u{F8F1}';

/** A word in more passages than this share is too common to find passages by; it still weighs in their order. */
const COMMON = 0.02;

/**
 * Finds chunks by meaning, by words, or by both, fused in SQL. A chunk that is missing in one list earns nothing there.
 *
 * The lists are made in the service's name with the tenant as a condition: under row-level security, PostgreSQL may not
 * ask the indexes of words and vectors before it has looked at every row's tenant. What is found is then read as the
 * tenant, so nothing of another one can come out.
 */
export async function search(
  client: Client,
  tenantId: string,
  model: StoredModel,
  request: SearchRequest,
): Promise<SearchHit[]> {
  const rows = await client.tx(
    async (tx) => {
      const words = await wordsOf(tx, model, request.text);
      const { text, values } = candidates(tenantId, model, request, words);
      if (text === undefined) return [];
      const found = await tx.query(text, values);
      if (found.length === 0) return [];
      await tx.query(
        `SELECT set_config('role', 'ingestion_tenant', true), set_config('app.tenant', $1, true)`,
        [tenantId],
      );
      return tx.query<Row>(hits(model), [JSON.stringify(found), words.any]);
    },
    {
      readOnly: true,
      settings: {
        role: 'ingestion_service',
        'hnsw.iterative_scan': 'relaxed_order',
        'hnsw.ef_search': CANDIDATES,
      },
    },
  );
  return rows.map(toHit);
}

/** The question's words as queries for the full-text index, in PostgreSQL's notation. */
interface Words {
  /** Every word; what matches them all ranks first. */
  readonly any: string;
  /** What a passage must match: one of the words that are not too common, and none that was excluded. */
  readonly match: string;
}

async function wordsOf(tx: Transaction, model: StoredModel, text: string): Promise<Words> {
  const { query } = await tx.one<{ query: string }>(
    `SELECT websearch_to_tsquery('english', $1)::text AS query`,
    [text],
  );
  // What stands in quotes holds together with `<->` and is one operand.
  const operands = query === '' ? [] : query.split(/ [&|] /);
  const wanted = operands.filter((operand) => !operand.startsWith('!'));
  if (wanted.length === 0) return { any: '', match: '' };
  const frequencies = await tx.query<{ word: string; share: number }>(
    `SELECT word, share FROM pg_stats s, unnest(s.most_common_elems::text::text[], s.most_common_elem_freqs) AS f(word, share)
     WHERE s.schemaname = current_schema() AND s.tablename = $1 AND s.attname = 'search' AND word = ANY ($2)`,
    [partitionOf(model.id), wanted.map(lexemeOf)],
  );
  const shares = new Map(frequencies.map(({ word, share }) => [word, share]));
  const share = (operand: string) => shares.get(lexemeOf(operand)) ?? 0;
  const rarest = Math.min(...wanted.map(share));
  const finding = wanted.filter((operand) => share(operand) <= Math.max(COMMON, rarest));
  const excluded = operands.filter((operand) => operand.startsWith('!'));
  return { any: wanted.join(' | '), match: [`(${finding.join(' | ')})`, ...excluded].join(' & ') };
}

const lexemeOf = (operand: string) => operand.slice(1, -1).replaceAll("''", "'");

/** A statement for the best of both lists; without text where there is nothing to look for. */
function candidates(
  tenantId: string,
  model: StoredModel,
  { filter, mode, limit, vector }: SearchRequest,
  words: Words,
): { text: string | undefined; values: unknown[] } {
  const values: unknown[] = [tenantId, limit];
  const parameter = (value: unknown) => `$${values.push(value)}`;
  const filters = [
    ...(filter.metadata ? [`d.metadata @> ${parameter(JSON.stringify(filter.metadata))}::jsonb`] : []),
    ...(filter.documents ? [`d.id = ANY (${parameter(filter.documents)}::uuid[])`] : []),
    ...(filter.createdAfter ? [`d.created_at >= ${parameter(filter.createdAfter)}`] : []),
    ...(filter.createdBefore ? [`d.created_at < ${parameter(filter.createdBefore)}`] : []),
  ];
  const visible = ['d.tenant_id = $1', 'd.deleted_at IS NULL', ...filters].join(' AND ');
  const own = `c.model_id = ${model.id} AND c.tenant_id = $1`;
  // Asked of each candidate on its own: few are looked at, and the index's order is kept.
  const one = `(SELECT d.current_version = c.version_id AND ${visible} FROM document d WHERE d.id = c.document_id)`;
  // Asked of all at once: exact, and right for filters that leave little of what the index would give first.
  const all = `c.version_id IN (SELECT d.current_version FROM document d WHERE ${visible})`;
  const lists: string[] = [];
  const parts: string[] = [];
  if (mode !== 'text' && vector) {
    const type = `halfvec(${model.dimensions})`;
    const distance = `c.embedding::${type} <=> ${parameter(halfvecText(vector))}::${type}`;
    // The outer rank is over `distance + 0`: a relaxed index scan may give the nearest out of order.
    parts.push(`near AS MATERIALIZED (SELECT c.version_id, c.ordinal, ${distance} AS distance FROM chunk c
      WHERE ${own} AND ${model.indexed && filters.length === 0 ? one : all} ORDER BY ${distance} LIMIT ${CANDIDATES})`);
    lists.push(`SELECT version_id, ordinal, 'vector' AS list,
      row_number() OVER (ORDER BY distance + 0, version_id, ordinal) AS rank FROM near WHERE distance <> 'NaN'`);
  }
  if (mode !== 'vector' && words.match !== '') {
    const weight = `ts_rank_cd(c.search, ${parameter(words.any)}::tsquery, 1)`;
    parts.push(`worded AS MATERIALIZED (SELECT c.version_id, c.ordinal, ${weight} AS weight FROM chunk c
      WHERE ${own} AND c.search @@ ${parameter(words.match)}::tsquery AND ${one}
      ORDER BY weight DESC, c.version_id, c.ordinal LIMIT ${CANDIDATES})`);
    lists.push(`SELECT version_id, ordinal, 'text' AS list,
      row_number() OVER (ORDER BY weight DESC, version_id, ordinal) AS rank FROM worded`);
  }
  if (lists.length === 0) return { text: undefined, values };
  const text = `WITH ${parts.join(',\n')}, ranked AS (${lists.join(' UNION ALL ')})
    SELECT version_id, ordinal, sum(1.0 / (${RRF_K} + rank))::float8 AS score,
      min(rank) FILTER (WHERE list = 'vector')::int AS vector_rank, min(rank) FILTER (WHERE list = 'text')::int AS text_rank
    FROM ranked GROUP BY version_id, ordinal ORDER BY score DESC, version_id, ordinal LIMIT $2`;
  return { text, values };
}

/** A statement for all that is shown of the candidates in `$1`; the words in `$2` are marked. */
function hits(model: StoredModel): string {
  return `SELECT c.id AS "chunkId", c.document_id AS "documentId", d.name, v.title, d.source_url AS "sourceUrl", d.metadata,
      f.score, f.vector_rank AS "vectorRank", f.text_rank AS "textRank", c.context,
      c.start_offset AS start, c.end_offset AS end, c.place,
      ts_headline('english', c.text, $2::tsquery, 'HighlightAll=true, StartSel=${MARK_START}, StopSel=${MARK_END}') AS marked
    FROM jsonb_to_recordset($1) AS f(version_id uuid, ordinal int, score float8, vector_rank int, text_rank int)
    JOIN chunk c ON c.model_id = ${model.id} AND c.version_id = f.version_id AND c.ordinal = f.ordinal
    JOIN document d ON d.id = c.document_id JOIN version v ON v.id = c.version_id
    ORDER BY f.score DESC, c.version_id, c.ordinal`;
}

interface Row
  extends Omit<
    SearchHit,
    'text' | 'highlights' | 'page' | 'pageEnd' | 'slide' | 'sheet' | 'headings' | 'file'
  > {
  readonly marked: string;
  readonly place: Partial<Pick<SearchHit, 'page' | 'pageEnd' | 'slide' | 'sheet' | 'headings' | 'file'>>;
}

function toHit({ marked, place, ...row }: Row): SearchHit {
  const { text, highlights } = unmark(marked);
  return {
    ...row,
    text,
    highlights,
    page: place.page ?? null,
    pageEnd: place.pageEnd ?? null,
    slide: place.slide ?? null,
    sheet: place.sheet ?? null,
    headings: place.headings ?? [],
    file: place.file ?? [],
  };
}

function unmark(marked: string): { text: string; highlights: [number, number][] } {
  const highlights: [number, number][] = [];
  let text = '';
  for (const [index, piece] of marked.split(MARK_START).entries()) {
    const end = index === 0 ? -1 : piece.indexOf(MARK_END);
    if (end >= 0) highlights.push([text.length, text.length + end]);
    text += end >= 0 ? piece.slice(0, end) + piece.slice(end + 1) : piece;
  }
  return { text, highlights };
}
