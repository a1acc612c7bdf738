import type { StoredDocument } from '../storage/document.ts';
import type { Key } from '../storage/value-order.ts';
import { decodeCursor, END_CURSOR, encodeCursor, queryFingerprint } from './cursor.ts';
import { type QueryScope, QueryStream, type SerializedQuery } from './query-stream.ts';
import { runSearch } from './text-search.ts';

/** One `.paginate()` call as the `convex` package serialises it. */
export interface PageRequest {
  readonly query: SerializedQuery;
  readonly cursor: string | null;
  readonly endCursor?: string | null;
  readonly pageSize: number;
  readonly maximumRowsRead?: number | null;
  readonly maximumBytesRead?: number | null;
}

export interface Page {
  readonly page: StoredDocument[];
  readonly isDone: boolean;
  readonly continueCursor: string;
  readonly splitCursor?: string | null;
  readonly pageStatus?: 'SplitRequired' | 'SplitRecommended' | null;
}

/** From this share of a limit on, a page is better split in two. */
const CROWDED = 0.75;

/** Reads a page. `journal` is where the page ended when the query last ran: it ends there again. */
export function readPage(scope: QueryScope, request: PageRequest, journal: string | null): Page {
  const fingerprint = queryFingerprint(request.query, scope.component);
  const start = request.cursor === null ? null : decodeCursor(request.cursor, fingerprint);
  const endText = request.endCursor ?? journal;
  const until = endText === null ? null : decodeCursor(endText, fingerprint);
  if (start === END_CURSOR) {
    return { page: [], isDone: true, continueCursor: encodeCursor(END_CURSOR, fingerprint) };
  }
  if (request.query.source.type === 'Search') return searchPage(scope, request, start, until, fingerprint);
  return streamPage(scope, request, start, until, fingerprint);
}

function searchPage(
  scope: QueryScope,
  { query, pageSize }: PageRequest,
  start: Key | null,
  until: Key | typeof END_CURSOR | null,
  fingerprint: string,
): Page {
  const all = runSearch(scope, query);
  const from = start === null ? 0 : Number(start[0]);
  const to = until === null ? from + pageSize : until === END_CURSOR ? all.length : Number(until[0]);
  const page = all.slice(from, to);
  // A full page may have been the last one; only the next, empty one says so.
  const isDone = until === END_CURSOR || page.length < to - from;
  return { page, isDone, continueCursor: encodeCursor(isDone ? END_CURSOR : [to], fingerprint) };
}

function streamPage(
  scope: QueryScope,
  request: PageRequest,
  start: Key | null,
  until: Key | typeof END_CURSOR | null,
  fingerprint: string,
): Page {
  const stream = new QueryStream(scope, request.query, {
    ...(start === null ? {} : { after: start }),
    ...(until === null || until === END_CURSOR ? {} : { until }),
  });
  const size = until === null ? request.pageSize : Number.POSITIVE_INFINITY;
  const maximumRows = request.maximumRowsRead ?? Number.POSITIVE_INFINITY;
  const maximumBytes = request.maximumBytesRead ?? Number.POSITIVE_INFINITY;
  const page: StoredDocument[] = [];
  const positions: Key[] = [];
  let bytes = 0;
  let exhausted = false;
  while (page.length < size && positions.length < maximumRows && bytes < maximumBytes) {
    const document = stream.step();
    if (document === undefined) {
      exhausted = true;
      break;
    }
    if (document !== null) page.push(document);
    bytes += stream.lastSize;
    positions.push(stream.position!);
  }
  const full = page.length >= size || exhausted;
  const crowded = positions.length >= maximumRows * CROWDED || bytes >= maximumBytes * CROWDED;
  const next = until ?? (exhausted ? END_CURSOR : (stream.position ?? start ?? END_CURSOR));
  const middle = positions[Math.floor((positions.length - 1) / 2)];
  return {
    page,
    isDone: until === null ? exhausted : until === END_CURSOR,
    continueCursor: encodeCursor(next, fingerprint),
    splitCursor: positions.length > 1 && middle !== undefined ? encodeCursor(middle, fingerprint) : null,
    pageStatus: full ? (crowded ? 'SplitRecommended' : null) : 'SplitRequired',
  };
}
