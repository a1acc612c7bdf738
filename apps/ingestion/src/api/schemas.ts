/** JSON Schemas of the API; Fastify checks requests with them, and the OpenAPI document is made of them. */

const uuid = { type: 'string', format: 'uuid' } as const;
const text = (maxLength: number) => ({ type: 'string', maxLength }) as const;
const nullable = <T extends object>(schema: T) => ({ ...schema, nullable: true }) as const;
const time = { type: 'string', format: 'date-time' } as const;

const problemSchema = {
  $id: 'Problem',
  type: 'object',
  description: 'RFC 9457',
  required: ['type', 'title', 'status', 'code', 'hint'],
  properties: {
    type: { type: 'string' },
    title: { type: 'string', description: 'What happened' },
    status: { type: 'integer' },
    code: { type: 'string', description: 'Stable; for programs' },
    hint: { type: 'string', description: 'What to do next' },
    details: {},
  },
} as const;

const versionSchema = {
  $id: 'Version',
  type: 'object',
  properties: {
    id: uuid,
    number: { type: 'integer' },
    status: { type: 'string', enum: ['queued', 'processing', 'ready', 'failed', 'superseded'] },
    stage: nullable({ type: 'string' }),
    done: nullable({ type: 'integer' }),
    total: nullable({ type: 'integer' }),
    bytes: { type: 'integer' },
    sha256: { type: 'string' },
    format: nullable({ type: 'string' }),
    mediaType: nullable({ type: 'string' }),
    title: nullable({ type: 'string' }),
    pages: nullable({ type: 'integer' }),
    characters: nullable({ type: 'integer' }),
    chunks: nullable({ type: 'integer' }),
    model: nullable({ type: 'string' }),
    dimensions: nullable({ type: 'integer' }),
    extracted: { type: 'object', additionalProperties: true },
    notes: {
      type: 'array',
      items: { type: 'object', properties: { code: { type: 'string' }, message: { type: 'string' } } },
    },
    error: nullable({
      type: 'object',
      properties: { code: { type: 'string' }, message: { type: 'string' }, hint: { type: 'string' } },
    }),
    createdAt: time,
    finishedAt: nullable(time),
  },
} as const;

const documentSchema = {
  $id: 'Document',
  type: 'object',
  properties: {
    id: uuid,
    key: nullable({ type: 'string' }),
    name: { type: 'string' },
    sourceUrl: nullable({ type: 'string' }),
    metadata: { type: 'object', additionalProperties: true },
    createdAt: time,
    updatedAt: time,
    expiresAt: nullable(time),
    deletedAt: nullable(time),
    currentVersion: nullable(uuid),
    latest: { $ref: 'Version#' },
  },
} as const;

const registeredSchema = {
  $id: 'Registered',
  type: 'object',
  properties: {
    name: { type: 'string' },
    documentId: uuid,
    versionId: uuid,
    outcome: { type: 'string', enum: ['created', 'updated', 'duplicate', 'replayed'] },
    bytes: { type: 'integer' },
    sha256: { type: 'string' },
    problem: { $ref: 'Problem#' },
  },
} as const;

const hitSchema = {
  $id: 'Hit',
  type: 'object',
  properties: {
    chunkId: uuid,
    documentId: uuid,
    name: { type: 'string' },
    title: nullable({ type: 'string' }),
    sourceUrl: nullable({ type: 'string' }),
    metadata: { type: 'object', additionalProperties: true },
    score: { type: 'number' },
    vectorRank: nullable({ type: 'integer' }),
    textRank: nullable({ type: 'integer' }),
    text: { type: 'string' },
    context: nullable({ type: 'string' }),
    highlights: {
      type: 'array',
      description: 'Half-open ranges of UTF-16 code units in `text`',
      items: { type: 'array', items: { type: 'integer' } },
    },
    start: { type: 'integer', description: 'In the extracted text, in UTF-16 code units' },
    end: { type: 'integer' },
    page: nullable({ type: 'integer' }),
    pageEnd: nullable({ type: 'integer' }),
    slide: nullable({ type: 'integer' }),
    sheet: nullable({ type: 'string' }),
    headings: { type: 'array', items: { type: 'string' } },
    file: { type: 'array', items: { type: 'string' } },
  },
} as const;

const deadSchema = {
  $id: 'DeadLetter',
  type: 'object',
  properties: {
    id: uuid,
    documentId: uuid,
    versionId: uuid,
    name: { type: 'string' },
    attempts: { type: 'integer' },
    code: { type: 'string' },
    message: { type: 'string' },
    failedAt: time,
  },
} as const;

export const shared = [problemSchema, versionSchema, documentSchema, registeredSchema, hitSchema, deadSchema];

/** The answers of a route: its own, and problems for everything else. */
export function answers(success: Readonly<Record<number, object>>): object {
  return { ...success, '4xx': { $ref: 'Problem#' }, '5xx': { $ref: 'Problem#' } };
}

export const idParameter = { type: 'object', required: ['id'], properties: { id: uuid } } as const;

export const idempotencyHeaders = {
  type: 'object',
  properties: { 'idempotency-key': { type: 'string', minLength: 1, maxLength: 200 } },
} as const;

export const searchBody = {
  type: 'object',
  required: ['query'],
  additionalProperties: false,
  properties: {
    query: { ...text(8192), minLength: 1 },
    mode: { type: 'string', enum: ['hybrid', 'vector', 'text'], default: 'hybrid' },
    limit: { type: 'integer', minimum: 1, maximum: 100, default: 10 },
    filter: {
      type: 'object',
      additionalProperties: false,
      default: {},
      properties: {
        metadata: { type: 'object', additionalProperties: true },
        documents: { type: 'array', maxItems: 1000, items: uuid },
        createdAfter: time,
        createdBefore: time,
      },
    },
  },
} as const;
