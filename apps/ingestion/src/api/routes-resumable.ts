import { randomUUID } from 'node:crypto';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { asTenant } from '../store/database.ts';
import { tenantOf } from './auth.ts';
import { parseMetadata } from './clean.ts';
import type { ApiContext } from './context.ts';
import type { Intake } from './intake.ts';
import { Problem } from './problem.ts';
import { traceOf } from './trace.ts';

const VERSION = '1.0.0';

/** A piece is stored every so many bytes: what a cut connection loses at most. */
const PIECE_BYTES = 8 * 1024 ** 2;

interface Upload {
  readonly id: string;
  readonly bytes: number;
  readonly received: number;
  readonly pieces: number;
  readonly details: Readonly<Record<string, string>>;
  readonly documentId: string | null;
}

/**
 * Resumable uploads with the tus protocol 1.0 (core, creation, termination), for which there are clients in every
 * language.
 *
 * @see https://tus.io/protocols/resumable-upload
 */
export function resumableRoutes(app: FastifyInstance, context: ApiContext, intake: Intake): void {
  const { client, storage, maxDocumentBytes } = context;
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (_request, payload, done) => done(null, payload));
  app.addHook('onSend', async (_request, reply) => {
    reply.header('tus-resumable', VERSION).header('cache-control', 'no-store');
  });
  const schema = (operationId: string, summary: string) => ({
    schema: { operationId, summary, tags: ['uploads'] },
  });

  app.options(
    '/v1/uploads',
    schema('uploadOptions', 'What this server speaks (tus 1.0)'),
    async (_request, reply) =>
      reply
        .code(204)
        .header('tus-version', VERSION)
        .header('tus-extension', 'creation,termination')
        .header('tus-max-size', maxDocumentBytes)
        .send(),
  );

  app.post(
    '/v1/uploads',
    schema('createUpload', 'Begins a resumable upload (tus 1.0)'),
    async (request, reply) => {
      const bytes = Number(request.headers['upload-length'] ?? Number.NaN);
      if (!Number.isSafeInteger(bytes) || bytes < 0)
        throw new Problem('API_INVALID', 'Upload-Length is missing or wrong');
      if (bytes > maxDocumentBytes) {
        throw new Problem('API_TOO_LARGE', `The document is larger than ${maxDocumentBytes} bytes`);
      }
      const details = parseDetails(request.headers['upload-metadata']);
      parseMetadata(details.metadata); // refused now rather than after the last byte
      const tenant = tenantOf(request);
      const id = randomUUID();
      await asTenant(client, tenant, (tx) =>
        tx.query('INSERT INTO upload (id, tenant_id, bytes, details) VALUES ($1, $2, $3, $4)', [
          id,
          tenant,
          bytes,
          JSON.stringify(details),
        ]),
      );
      return reply.code(201).header('location', `/v1/uploads/${id}`).send();
    },
  );

  app.head<{ Params: { id: string } }>(
    '/v1/uploads/:id',
    schema('getUpload', 'How far an upload has come (tus 1.0)'),
    async (request, reply) => {
      const upload = await find(request);
      return reply
        .code(200)
        .header('upload-offset', upload.received)
        .header('upload-length', upload.bytes)
        .headers(upload.documentId === null ? {} : { 'ingestion-document': upload.documentId })
        .send();
    },
  );

  app.patch<{ Params: { id: string } }>(
    '/v1/uploads/:id',
    schema('continueUpload', 'The next bytes of an upload (tus 1.0); the last ones make it a document'),
    async (request, reply) => {
      if (request.headers['content-type'] !== 'application/offset+octet-stream') {
        throw new Problem('API_UNSUPPORTED_MEDIA', 'The media type must be application/offset+octet-stream');
      }
      const upload = await find(request);
      if (Number(request.headers['upload-offset'] ?? Number.NaN) !== upload.received) {
        throw new Problem('API_CONFLICT', `The upload stands at ${upload.received}, not at Upload-Offset`);
      }
      const received = await takePieces(request, upload);
      const documentId = received === upload.bytes ? await finish(request, upload) : null;
      return sendOffset(reply, received, documentId);
    },
  );

  app.delete<{ Params: { id: string } }>(
    '/v1/uploads/:id',
    schema('abortUpload', 'Gives an upload up (tus 1.0)'),
    async (request, reply) => {
      const upload = await find(request);
      await asTenant(client, tenantOf(request), (tx) =>
        tx.query('DELETE FROM upload WHERE id = $1', [upload.id]),
      );
      await storage.removePieces(upload.id);
      return reply.code(204).send();
    },
  );

  async function find(request: FastifyRequest<{ Params: { id: string } }>): Promise<Upload> {
    const { id } = request.params;
    if (!/^[0-9a-f-]{36}$/.test(id)) throw new Problem('API_NOT_FOUND', 'There is no such upload');
    const [upload] = await asTenant(client, tenantOf(request), (tx) =>
      tx.query<Upload>(
        `SELECT id, bytes::float8 AS bytes, received::float8 AS received, pieces, details, document_id AS "documentId"
         FROM upload WHERE id = $1`,
        [id],
      ),
    );
    if (!upload) throw new Problem('API_NOT_FOUND', 'There is no such upload');
    return upload;
  }

  /** Stores the body piece by piece; what has a piece is kept when the connection breaks. */
  async function takePieces(request: FastifyRequest, upload: Upload): Promise<number> {
    let { received, pieces } = upload;
    let waiting: Uint8Array[] = [];
    let size = 0;
    const store = async () => {
      if (size === 0) return;
      const body = waiting;
      await storage.writePiece(
        upload.id,
        pieces,
        (async function* () {
          yield* body;
        })(),
      );
      const moved = await asTenant(client, tenantOf(request), (tx) =>
        tx.execute(
          `UPDATE upload SET received = $2, pieces = $3, updated_at = now() WHERE id = $1 AND received = $4 AND pieces = $5`,
          [upload.id, received + size, pieces + 1, received, pieces],
        ),
      );
      if (moved === 0) throw new Problem('API_CONFLICT', 'Somebody else continues this upload');
      received += size;
      pieces += 1;
      waiting = [];
      size = 0;
    };
    try {
      for await (const bytes of request.raw) {
        if (received + size + bytes.length > upload.bytes) {
          throw new Problem('API_INVALID', 'There are more bytes than Upload-Length says');
        }
        waiting.push(bytes);
        size += bytes.length;
        if (size >= PIECE_BYTES) await store();
      }
    } catch (cause) {
      if (cause instanceof Problem) throw cause;
      await store();
      throw new Problem('API_UPLOAD_CUT_OFF', 'The upload ended before it was complete', { cause });
    }
    await store();
    return received;
  }

  async function finish(
    request: FastifyRequest<{ Params: { id: string } }>,
    { id, details }: Upload,
  ): Promise<string> {
    const { pieces } = await find(request);
    const { documentId } = await intake.take({
      tenantId: tenantOf(request),
      name: details.filename ?? details.name ?? 'unnamed',
      body: storage.readPieces(id, pieces),
      declaredType: details.filetype,
      key: details.key,
      metadata: parseMetadata(details.metadata),
      // The last request may be repeated, when its answer was lost.
      idempotencyKey: `upload ${id}`,
      trace: traceOf(),
    });
    await asTenant(client, tenantOf(request), (tx) =>
      tx.query('UPDATE upload SET document_id = $2 WHERE id = $1', [id, documentId]),
    );
    await storage.removePieces(id);
    return documentId;
  }
}

function sendOffset(reply: FastifyReply, offset: number, documentId: string | null) {
  return reply
    .code(204)
    .header('upload-offset', offset)
    .headers(documentId === null ? {} : { 'ingestion-document': documentId })
    .send();
}

/** `name base64,name base64`, as tus has it. */
function parseDetails(header: string | string[] | undefined): Record<string, string> {
  if (typeof header !== 'string') return {};
  const pairs = header.split(',').flatMap((pair) => {
    const [name, value = ''] = pair.trim().split(' ');
    return name ? [[name, Buffer.from(value, 'base64').toString('utf8').replaceAll('\0', '')] as const] : [];
  });
  return Object.fromEntries(pairs);
}
