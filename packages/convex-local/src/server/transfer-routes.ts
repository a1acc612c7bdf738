import { createReadStream, existsSync } from 'node:fs';
import { RequestError } from '../engine/function-error.ts';
import type { ImportRequest } from '../engine/snapshot-import.ts';
import type { Exchange } from './http-api.ts';
import { readBody, readJson, sendJson } from './http-body.ts';

/** The routes of `convex export` and `convex import`. */
export const TRANSFER_ROUTES: Readonly<Record<string, (exchange: Exchange) => Promise<void>>> = {
  'POST /api/export/request/zip': async ({ request, response, access, host, url }) => {
    await access.requireAdmin(request, false);
    await host.call('export', { includeStorage: url.searchParams.get('includeStorage') === 'true' });
    sendJson(response, 200, null);
  },
  'POST /api/import/start_upload': async ({ request, response, access, host }) => {
    await access.requireAdmin(request);
    sendJson(response, 200, await host.call('startUpload', undefined as never));
  },
  'POST /api/import/upload_part': async ({ request, response, access, host, url }) => {
    await access.requireAdmin(request);
    const part = {
      uploadToken: url.searchParams.get('uploadToken') ?? '',
      part: Number(url.searchParams.get('partNumber')),
      bytes: await readBody(request),
    };
    sendJson(response, 200, await host.call('addUploadPart', part));
  },
  'POST /api/import/finish_upload': async ({ request, response, access, host }) => {
    await access.requireAdmin(request);
    const body = (await readJson(request)) as { uploadToken: string; import: ImportRequest };
    const finish = { uploadToken: body.uploadToken, request: body.import };
    sendJson(response, 200, await host.call('finishUpload', finish));
  },
  'POST /api/perform_import': async ({ request, response, access, host }) => {
    await access.requireAdmin(request);
    const { importId } = (await readJson(request)) as { importId: string };
    await host.call('performImport', importId);
    sendJson(response, 200, null);
  },
};

/** The zip of a finished export. */
export async function serveExport({ request, response, access, host, url }: Exchange): Promise<void> {
  await access.requireAdmin(request, false);
  const ts = url.pathname.split('/').at(-1)!;
  const file = await host.call('exportFile', ts);
  if (!existsSync(file)) throw new RequestError(404, 'ExportNotFound', `There is no export ${ts}.`);
  response.writeHead(200, {
    'content-type': 'application/zip',
    'content-disposition': `attachment; filename=snapshot_${ts}.zip`,
  });
  createReadStream(file)
    .on('error', () => response.destroy())
    .pipe(response);
}
