import type { Client } from '@stackyard/postgres';
import type { JsonValue, Vector } from '../pipeline/index.ts';
import { halfvecText } from './chunk-rows.ts';
import { asTenant } from './database.ts';
import type { StoredModel } from './models.ts';

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

/**
 * Finds chunks by meaning, by words, or by both, fused in SQL. A chunk that is missing in one list earns nothing
 * there. Runs as the tenant, so row-level security holds besides the conditions.
 */
export async function search(
  client: Client,
  tenantId: string,
  model: StoredModel,
  request: SearchRequest,
): Promise<SearchHit[]> {
  const { filter, mode, limit } = request;
  const values: unknown[] = [tenantId, request.text, limit];
  const parameter = (value: unknown) => `$${values.push(value)}`;
  const conditions = [
    'c.tenant_id = $1',
    'd.tenant_id = $1',
    'd.deleted_at IS NULL',
    'd.current_version = c.version_id',
    ...(filter.metadata ? [`d.metadata @> ${parameter(JSON.stringify(filter.metadata))}::jsonb`] : []),
    ...(filter.documents ? [`d.id = ANY (${parameter(filter.documents)}::uuid[])`] : []),
    ...(filter.createdAfter ? [`d.created_at >= ${parameter(filter.createdAfter)}`] : []),
    ...(filter.createdBefore ? [`d.created_at < ${parameter(filter.createdBefore)}`] : []),
  ];
  const from = `chunk c JOIN document d ON d.id = c.document_id WHERE c.model_id = ${model.id} AND ${conditions.join(' AND ')}`;
  const lists: string[] = [];
  const parts: string[] = [];
  if (mode !== 'text' && request.vector) {
    const distance = `c.embedding::halfvec(${model.dimensions}) <=> ${parameter(halfvecText(request.vector))}::halfvec(${model.dimensions})`;
    // The outer rank is over `distance + 0`: a relaxed index scan may give the nearest out of order.
    parts.push(`near AS MATERIALIZED (SELECT c.version_id, c.ordinal, ${distance} AS distance FROM ${from}
      ORDER BY ${distance} LIMIT ${CANDIDATES})`);
    lists.push(`SELECT version_id, ordinal, 'vector' AS list,
      row_number() OVER (ORDER BY distance + 0, version_id, ordinal) AS rank FROM near WHERE distance <> 'NaN'`);
  }
  if (mode !== 'vector') {
    parts.push(`worded AS MATERIALIZED (SELECT c.version_id, c.ordinal, ts_rank_cd(c.search, question.query, 1) AS weight
      FROM question, ${from} AND c.search @@ question.query
      ORDER BY weight DESC, c.version_id, c.ordinal LIMIT ${CANDIDATES})`);
    lists.push(`SELECT version_id, ordinal, 'text' AS list,
      row_number() OVER (ORDER BY weight DESC, version_id, ordinal) AS rank FROM worded`);
  }
  if (lists.length === 0) return [];
  // Any of the words is enough to be found, all of them ranks higher; what stands in quotes stays together.
  const statement = `WITH question AS (
      SELECT replace(websearch_to_tsquery('english', $2)::text, ' & ', ' | ')::tsquery AS query),
    ${parts.join(',\n')},
    ranked AS (${lists.join(' UNION ALL ')}),
    fused AS (SELECT version_id, ordinal, sum(1.0 / (${RRF_K} + rank)) AS score,
      min(rank) FILTER (WHERE list = 'vector') AS vector_rank, min(rank) FILTER (WHERE list = 'text') AS text_rank
      FROM ranked GROUP BY version_id, ordinal ORDER BY score DESC, version_id, ordinal LIMIT $3)
    SELECT c.id AS "chunkId", c.document_id AS "documentId", d.name, v.title, d.source_url AS "sourceUrl", d.metadata,
      f.score::float8 AS score, f.vector_rank::int AS "vectorRank", f.text_rank::int AS "textRank", c.context,
      c.start_offset AS start, c.end_offset AS end, c.place,
      ts_headline('english', c.text, question.query, 'HighlightAll=true, StartSel=${MARK_START}, StopSel=${MARK_END}') AS marked
    FROM fused f JOIN chunk c ON c.model_id = ${model.id} AND c.version_id = f.version_id AND c.ordinal = f.ordinal
    JOIN document d ON d.id = c.document_id JOIN version v ON v.id = c.version_id CROSS JOIN question
    ORDER BY f.score DESC, c.version_id, c.ordinal`;
  const rows = await asTenant(client, tenantId, (tx) => tx.query<Row>(statement, values), { readOnly: true });
  return rows.map(toHit);
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
