import multipart from '@fastify/multipart';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { tenantOf } from './auth.ts';
import { dateOf, MAX_LABEL, parseMetadata } from './clean.ts';
import type { ApiContext } from './context.ts';
import { type Arrival, type Intake, idempotencyKeyOf } from './intake.ts';
import { Problem, problemOf } from './problem.ts';
import { answers, idempotencyHeaders, idParameter } from './schemas.ts';

const MAX_FILES = 1000;

interface UploadQuery {
  name?: string;
  key?: string;
  metadata?: string;
  priority?: number;
  expires?: string;
}

const uploadQuery = {
  type: 'object',
  properties: {
    name: {
      type: 'string',
      maxLength: MAX_LABEL,
      description: 'Name of a document that is sent as the body itself',
    },
    key: {
      type: 'string',
      maxLength: MAX_LABEL,
      description: "The sender's identifier: the same again is a new version",
    },
    metadata: { type: 'string', description: 'A JSON object' },
    priority: { type: 'integer', minimum: -100, maximum: 100 },
    expires: { type: 'string', format: 'date-time', description: 'When the document is to be deleted' },
  },
} as const;

/** Routes that take the bytes of documents. Whatever the media type, the body is a stream and stays one. */
export async function uploadRoutes(app: FastifyInstance, context: ApiContext, intake: Intake): Promise<void> {
  app.removeAllContentTypeParsers();
  await app.register(multipart, {
    limits: {
      files: MAX_FILES,
      fileSize: context.maxDocumentBytes + 1,
      fields: 20,
      fieldSize: 128 * 1024,
      parts: MAX_FILES + 20,
    },
    throwFileSizeLimit: false,
  });
  app.addContentTypeParser('*', (_request, payload, done) => done(null, payload));

  app.post<{ Querystring: UploadQuery }>(
    '/v1/documents',
    {
      schema: {
        operationId: 'addDocuments',
        summary: 'Takes documents in: one as the body itself, or any number as multipart/form-data',
        description:
          'Bytes go to storage while they arrive. Content that is there already is not processed again. With an ' +
          'Idempotency-Key a request may be repeated safely. In multipart bodies, fields come before the files they are for.',
        tags: ['documents'],
        querystring: uploadQuery,
        headers: idempotencyHeaders,
        response: answers({
          202: {
            type: 'object',
            properties: { documents: { type: 'array', items: { $ref: 'Registered#' } } },
          },
        }),
      },
    },
    async (request, reply) => {
      const documents = request.isMultipart()
        ? await takeParts(request, intake, context.onError)
        : [await takeBody(request, intake, undefined)];
      return reply.code(202).send({ documents });
    },
  );

  app.put<{ Querystring: UploadQuery; Params: { id: string } }>(
    '/v1/documents/:id/content',
    {
      schema: {
        operationId: 'updateDocument',
        summary: 'A new version of a document; search shows the old one until the new one is ready',
        tags: ['documents'],
        params: idParameter,
        querystring: uploadQuery,
        headers: idempotencyHeaders,
        response: answers({
          202: {
            type: 'object',
            properties: { documents: { type: 'array', items: { $ref: 'Registered#' } } },
          },
        }),
      },
    },
    async (request, reply) => {
      const documents = [await takeBody(request, intake, request.params.id)];
      return reply.code(202).send({ documents });
    },
  );
}

function commonOf(
  request: FastifyRequest<{ Querystring: UploadQuery }>,
  fields: UploadQuery,
): Omit<Arrival, 'name' | 'body'> {
  const { key, metadata, priority, expires } = { ...request.query, ...checked(request, fields) };
  return {
    tenantId: tenantOf(request),
    key,
    metadata: parseMetadata(metadata),
    priority,
    expiresAt: dateOf(expires),
    idempotencyKey: idempotencyKeyOf(request),
  };
}

/** Fields of a form, which come as text, by the schema of the query. */
function checked(request: FastifyRequest, fields: object): UploadQuery {
  const validate = request.compileValidationSchema(uploadQuery);
  const own = { ...fields };
  if (validate(own)) return own;
  const [first] = validate.errors ?? [];
  throw new Problem('API_INVALID', `The form's ${first?.instancePath.slice(1)} ${first?.message}`, {
    details: validate.errors,
  });
}

async function takeBody(
  request: FastifyRequest<{ Querystring: UploadQuery }>,
  intake: Intake,
  target: string | undefined,
): Promise<object> {
  const name = request.query.name ?? 'unnamed';
  const type = request.headers['content-type'];
  const taken = await intake.take({
    ...commonOf(request, {}),
    name,
    body: whole(request),
    declaredType:
      type === undefined || /^application\/(octet-stream|x-www-form-urlencoded)/.test(type)
        ? undefined
        : type,
    target,
  });
  return { name, ...taken };
}

/** The body, which fails when the connection ends before it does. */
async function* whole(request: FastifyRequest): AsyncGenerator<Uint8Array> {
  try {
    for await (const bytes of request.raw) yield bytes;
  } catch (cause) {
    throw new Problem('API_UPLOAD_CUT_OFF', 'The upload ended before it was complete', { cause });
  }
  if (!request.raw.complete)
    throw new Problem('API_UPLOAD_CUT_OFF', 'The upload ended before it was complete');
}

/** Files one after another, as they come. One that fails is answered in its place; the others go on. */
async function takeParts(
  request: FastifyRequest<{ Querystring: UploadQuery }>,
  intake: Intake,
  onError: ApiContext['onError'],
): Promise<object[]> {
  const results: Promise<object>[] = [];
  const fields: Record<string, string> = {};
  try {
    for await (const part of request.parts()) {
      if (part.type === 'field') {
        fields[part.fieldname] = String(part.value);
        continue;
      }
      const { filename: name, mimetype, file } = part;
      // One key stands for one document, so each file gets its own derived from it.
      const common = commonOf(request, fields);
      const idempotencyKey = common.idempotencyKey && `${common.idempotencyKey}#${results.length}`;
      const taken = intake
        .take({ ...common, idempotencyKey, name, body: unbroken(file), declaredType: typeOf(mimetype) })
        .then(
          (registered) => ({ name, ...registered }),
          (error: unknown) => {
            file.resume(); // the rest of the request must come through
            const problem = problemOf(error);
            if (problem.unforeseen) onError(error);
            return { name, problem: problem.toJSON() };
          },
        );
      results.push(taken);
      // The next part only comes when this one was read; what remains to be done for it may overlap.
      if (results.length % 64 === 0) await Promise.all(results);
    }
  } catch (cause) {
    await Promise.all(results);
    if (cause instanceof Problem) throw cause;
    if ((cause as { code?: string }).code === 'FST_FILES_LIMIT') {
      throw new Problem('API_TOO_LARGE', `One request takes ${MAX_FILES} files at most`, { cause });
    }
    throw new Problem('API_MALFORMED_MULTIPART', 'The multipart body is damaged or cut off', { cause });
  }
  if (results.length === 0) throw new Problem('API_INVALID', 'The request holds no file');
  return Promise.all(results);
}

/** A part that fails when the body around it does. */
async function* unbroken(file: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* file;
  } catch (cause) {
    throw new Problem('API_MALFORMED_MULTIPART', 'The multipart body is damaged or cut off', { cause });
  }
}

function typeOf(mimetype: string): string | undefined {
  return mimetype === 'application/octet-stream' ? undefined : mimetype;
}
