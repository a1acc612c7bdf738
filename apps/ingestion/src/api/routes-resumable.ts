import { randomUUID } from 'node:crypto';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { asTenant } from '../store/database.ts';
import { tenantOf } from './auth.ts';
import { checkLabels, parseMetadata } from './clean.ts';
import type { ApiContext } from './context.ts';
import type { Intake } from './intake.ts';
import { Problem } from './problem.ts';

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
  const { client, storage, maxDocumentBytes, onError } = context;
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
      // Refused now rather than after the last byte.
      parseMetadata(details.metadata);
      checkLabels({ name: nameOf(details), key: details.key });
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
      // Clients send nothing more for an empty document.
      const documentId = bytes === 0 ? await finish(tenant, id) : null;
      return reply.code(201).header('location', `/v1/uploads/${id}`).headers(outcome(documentId)).send();
    },
  );

  app.head<{ Params: { id: string } }>(
    '/v1/uploads/:id',
    schema('getUpload', 'How far an upload has come (tus 1.0)'),
    async (request, reply) => {
      const upload = await find(tenantOf(request), request.params.id);
      return reply
        .code(200)
        .header('upload-offset', upload.received)
        .header('upload-length', upload.bytes)
        .headers(outcome(upload.documentId))
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
      const tenant = tenantOf(request);
      const upload = await find(tenant, request.params.id);
      if (Number(request.headers['upload-offset'] ?? Number.NaN) !== upload.received) {
        throw new Problem('API_CONFLICT', `The upload stands at ${upload.received}, not at Upload-Offset`);
      }
      const received = await takePieces(request, upload);
      const documentId = received === upload.bytes ? await finish(tenant, upload.id) : null;
      return reply.code(204).header('upload-offset', received).headers(outcome(documentId)).send();
    },
  );

  app.delete<{ Params: { id: string } }>(
    '/v1/uploads/:id',
    schema('abortUpload', 'Gives an upload up (tus 1.0)'),
    async (request, reply) => {
      const upload = await find(tenantOf(request), request.params.id);
      await asTenant(client, tenantOf(request), (tx) =>
        tx.query('DELETE FROM upload WHERE id = $1', [upload.id]),
      );
      await storage.removePieces(upload.id);
      return reply.code(204).send();
    },
  );

  async function find(tenant: string, id: string): Promise<Upload> {
    if (!/^[0-9a-f-]{36}$/.test(id)) throw new Problem('API_NOT_FOUND', 'There is no such upload');
    const [upload] = await asTenant(client, tenant, (tx) =>
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
      const piece = await storage.receivePiece(
        (async function* () {
          yield* body;
        })(),
      );
      try {
        await asTenant(client, tenantOf(request), async (tx) => {
          const moved = await tx.execute(
            `UPDATE upload SET received = $2, pieces = $3, updated_at = now()
             WHERE id = $1 AND received = $4 AND pieces = $5`,
            [upload.id, received + size, pieces + 1, received, pieces],
          );
          if (moved === 0) throw new Problem('API_CONFLICT', 'Somebody else continues this upload');
          // While the row is held: whoever continues it at the same time must not put its bytes in this place.
          await piece.keep(upload.id, pieces);
        });
      } catch (error) {
        await piece.discard().catch(onError);
        throw error;
      }
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

  /** Makes a document of the pieces. May be repeated: the answer before may have been lost. */
  async function finish(tenant: string, id: string): Promise<string> {
    const { pieces, details, documentId: before } = await find(tenant, id);
    if (before !== null) return before;
    const { documentId } = await intake.take({
      tenantId: tenant,
      name: nameOf(details),
      body: storage.readPieces(id, pieces),
      declaredType: details.filetype,
      key: details.key,
      metadata: parseMetadata(details.metadata),
      idempotencyKey: `upload ${id}`,
    });
    await asTenant(client, tenant, (tx) =>
      tx.query('UPDATE upload SET document_id = $2 WHERE id = $1', [id, documentId]),
    );
    await storage.removePieces(id);
    return documentId;
  }
}

/** Clients use the one or the other. */
const nameOf = ({ filename, name }: Upload['details']) => filename ?? name ?? 'unnamed';

function outcome(documentId: string | null): Record<string, string> {
  return documentId === null ? {} : { 'ingestion-document': documentId };
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
