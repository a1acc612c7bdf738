import type { Client, Transaction } from '@stackyard/postgres';
import type { JsonValue, Vector } from '../pipeline/index.ts';
import { halfvecText } from './chunk-rows.ts';
import type { StoredModel } from './models.ts';
import { type Words, wordsOf } from './search-words.ts';

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

/** A passage that belongs to the best of the question. */
interface Candidate {
  readonly version_id: string;
  readonly ordinal: number;
  readonly score: number;
  readonly vector_rank: number | null;
  readonly text_rank: number | null;
}

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
  return client.tx(
    async (tx) => {
      const words = await wordsOf(tx, tenantId, model, request.mode === 'vector' ? '' : request.text);
      const { text, values } = candidates(tenantId, model, request, words);
      if (text === undefined) return [];
      return readHits(tx, tenantId, model, await tx.query<Candidate>(text, values), words);
    },
    {
      readOnly: true,
      // Both statements see the same: what was found cannot be gone, or be another version, when it is read.
      isolation: 'repeatable read',
      settings: {
        role: 'ingestion_service',
        'hnsw.iterative_scan': 'relaxed_order',
        'hnsw.ef_search': CANDIDATES,
        // The lists are short and end early: what prepares for long ones costs more than it saves, or changes their order.
        jit: false,
        max_parallel_workers_per_gather: 0,
        synchronize_seqscans: false,
      },
    },
  );
}

/** Reads what was found, as the tenant; from here to its end the transaction sees nothing else. */
export async function readHits(
  tx: Transaction,
  tenantId: string,
  model: StoredModel,
  found: readonly Candidate[],
  words: Words,
): Promise<SearchHit[]> {
  if (found.length === 0) return [];
  await tx.query(`SELECT set_config('role', 'ingestion_tenant', true), set_config('app.tenant', $1, true)`, [
    tenantId,
  ]);
  const marked = words.weighed.map(({ word }) => word).join(' | ');
  return (await tx.query<Row>(hits(model), [JSON.stringify(found), marked])).map(toHit);
}

/** One row that the index of vectors gives takes as long as this many that are read one after the other. */
const INDEXED_ROW = 12;

/**
 * The index gives the nearest of all tenants, so the smaller a tenant's part, the more it gives for nothing: looking at
 * all of the tenant's own rows is faster then, and exact.
 */
function fewAreOwn(passages: Words['passages']): boolean {
  if (passages === undefined) return false;
  const { own, all } = passages;
  return own < INDEXED_ROW * CANDIDATES * (all / own);
}

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
    const approximate = model.indexed && filters.length === 0 && !fewAreOwn(words.passages);
    // The outer rank is over `distance + 0`: a relaxed index scan may give the nearest out of order.
    parts.push(`near AS MATERIALIZED (SELECT c.version_id, c.ordinal, ${distance} AS distance FROM chunk c
      WHERE ${own} AND ${approximate ? one : all} ORDER BY ${approximate ? distance : `0 + (${distance})`} LIMIT ${CANDIDATES})`);
    lists.push(`SELECT version_id, ordinal, 'vector' AS list,
      row_number() OVER (ORDER BY distance + 0, version_id, ordinal) AS rank FROM near WHERE distance <> 'NaN'`);
  }
  if (mode !== 'vector' && words.finds.length > 0) {
    // One after the other, and only until there are enough.
    const finds = words.finds.map(
      (query) => `(SELECT c.version_id, c.ordinal, c.search FROM chunk c
        WHERE ${own} AND c.search @@ ${parameter(query)}::tsquery AND ${one})`,
    );
    // Each word that a passage has counts in full; how often it has it, and how short it is, only decide among equals.
    const weight = words.weighed.map((each) => {
      const word = `${parameter(each.word)}::tsquery`;
      return `CASE WHEN u.search @@ ${word} THEN ${parameter(each.weight)}::float8 * (1 + ts_rank(u.search, ${word}, 1)) ELSE 0 END`;
    });
    parts.push(
      `found AS MATERIALIZED (${finds.join(' UNION ALL ')} ${words.limit === undefined ? '' : `LIMIT ${words.limit}`})`,
    );
    // `|| ''` unpacks what all the ranks then look at.
    parts.push(`worded AS MATERIALIZED (SELECT f.version_id, f.ordinal, ${weight.join(' + ')} AS weight
      FROM (SELECT DISTINCT ON (version_id, ordinal) * FROM found) AS f,
      LATERAL (SELECT f.search || '' AS search OFFSET 0) AS u
      ORDER BY weight DESC, f.version_id, f.ordinal LIMIT ${CANDIDATES})`);
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
