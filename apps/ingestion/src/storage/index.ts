import { fileURLToPath } from 'node:url';
import { ContentStore } from './content-store.ts';
import { openFileBlobs } from './file-blobs.ts';

export { ContentStore } from './content-store.ts';
export { StorageError, type StorageErrorCode } from './storage-error.ts';

/** Opens what a URL names: `file:///folder`, or `s3://...` as in `parseS3Url`. */
export async function openStorage(url: URL): Promise<ContentStore> {
  if (url.protocol === 'file:') return new ContentStore(await openFileBlobs(fileURLToPath(url)));
  // The SDK takes a second to load; who keeps files does not pay for it.
  const { openS3Blobs, parseS3Url } = await import('./s3-blobs.ts');
  return new ContentStore(await openS3Blobs(parseS3Url(url)));
}
