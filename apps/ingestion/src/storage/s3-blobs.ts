import type { Readable } from 'node:stream';
import type { S3Client } from '@aws-sdk/client-s3';
import type { Blobs, ByteRange } from './blobs.ts';
import { StorageError } from './storage-error.ts';

export interface S3Location {
  /** `http://host:port` of any S3 service; AWS itself where absent. */
  readonly endpoint?: string | undefined;
  readonly bucket: string;
  /** Put in front of every key; empty or ending in `/`. */
  readonly prefix: string;
  readonly region: string;
  readonly accessKeyId?: string | undefined;
  readonly secretAccessKey?: string | undefined;
}

/**
 * The location that a URL names: `s3://bucket/prefix?endpoint=http://127.0.0.1:9000&region=us-east-1`. The user and
 * password of the URL are the credentials; without them the usual chain of the AWS SDK holds.
 */
export function parseS3Url(url: URL): S3Location {
  const prefix = url.pathname.replace(/^\/+|\/+$/g, '');
  return {
    endpoint: url.searchParams.get('endpoint') ?? undefined,
    bucket: url.hostname,
    prefix: prefix === '' ? '' : `${prefix}/`,
    region: url.searchParams.get('region') ?? 'us-east-1',
    accessKeyId: decodeURIComponent(url.username) || undefined,
    secretAccessKey: decodeURIComponent(url.password) || undefined,
  };
}

/** Multipart copies begin here: one CopyObject takes at most 5 GiB. */
const MAX_COPY_BYTES = 5 * 1024 ** 3;

/** Bytes in an S3 bucket, which is created when it is missing. */
export async function openS3Blobs(location: S3Location): Promise<Blobs> {
  const sdk = await import('@aws-sdk/client-s3');
  const { Upload } = await import('@aws-sdk/lib-storage');
  const { bucket: Bucket, prefix, accessKeyId, secretAccessKey } = location;
  const client: S3Client = new sdk.S3Client({
    region: location.region,
    // A bucket in the host name needs DNS that servers of one's own mostly do not have.
    forcePathStyle: true,
    // The newer checksums travel in trailers, which several S3 servers refuse.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    maxAttempts: 3,
    // A store that takes requests and answers nothing is away as well.
    requestHandler: { connectionTimeout: 5000, socketTimeout: 60_000 },
    ...(location.endpoint && { endpoint: location.endpoint }),
    ...(accessKeyId && secretAccessKey && { credentials: { accessKeyId, secretAccessKey } }),
  });
  const at = (key: string) => ({ Bucket, Key: `${prefix}${key}` });
  let created: Promise<void> | undefined;

  /** Not at the start: the API shall come up while the storage is away. */
  function bucket(): Promise<void> {
    created ??= ensureBucket().catch((error) => {
      created = undefined;
      throw error;
    });
    return created;
  }

  async function ensureBucket(): Promise<void> {
    try {
      await client.send(new sdk.HeadBucketCommand({ Bucket }));
    } catch (error) {
      if (statusOf(error) !== 404) unavailable(error);
      await client.send(new sdk.CreateBucketCommand({ Bucket })).catch((failure) => {
        if (!/^BucketAlready/.test((failure as Error).name)) unavailable(failure);
      });
    }
  }

  const blobs = {
    description: `bucket ${Bucket} at ${location.endpoint ? new URL(location.endpoint).host : 'AWS'}`,

    async write(key: string, body: AsyncIterable<Uint8Array>) {
      await bucket();
      let failure: unknown;
      const watched = watch(body, (error) => {
        failure = error;
      });
      const upload = new Upload({
        client,
        params: { ...at(key), Body: await readable(watched) },
        partSize: 8 * 1024 ** 2,
        queueSize: 2,
      });
      try {
        await upload.done();
      } catch (error) {
        if (failure !== undefined) throw failure;
        unavailable(error);
      }
    },

    async read(key: string, range?: ByteRange) {
      const Range = range && `bytes=${range.start}-${range.end === undefined ? '' : range.end - 1}`;
      const answer = await client
        .send(new sdk.GetObjectCommand({ ...at(key), ...(Range && { Range }) }))
        .catch(unavailable);
      return guarded(answer.Body as Readable);
    },

    async move(from: string, to: string) {
      const bytes = (await blobs.info(from))?.bytes ?? 0;
      if (bytes > MAX_COPY_BYTES) {
        await blobs.write(to, await blobs.read(from));
      } else {
        const CopySource = `${Bucket}/${prefix}${from}`;
        await client.send(new sdk.CopyObjectCommand({ ...at(to), CopySource })).catch(unavailable);
      }
      await blobs.remove(from);
    },

    async info(key: string) {
      try {
        const head = await client.send(new sdk.HeadObjectCommand(at(key)));
        return { key, bytes: head.ContentLength ?? 0, modifiedAt: head.LastModified ?? new Date(0) };
      } catch (error) {
        if (statusOf(error) === 404) return undefined;
        return unavailable(error);
      }
    },

    async remove(key: string) {
      await client.send(new sdk.DeleteObjectCommand(at(key))).catch((error) => {
        if (statusOf(error) !== 404) unavailable(error);
      });
    },

    async *list(start: string) {
      await bucket();
      const pages = sdk.paginateListObjectsV2({ client }, { Bucket, Prefix: `${prefix}${start}` });
      try {
        for await (const page of pages) {
          for (const { Key, Size, LastModified } of page.Contents ?? []) {
            if (Key)
              yield {
                key: Key.slice(prefix.length),
                bytes: Size ?? 0,
                modifiedAt: LastModified ?? new Date(0),
              };
          }
        }
      } catch (error) {
        unavailable(error);
      }
    },

    async check(signal?: AbortSignal) {
      await bucket();
      await client
        .send(new sdk.HeadBucketCommand({ Bucket }), signal ? { abortSignal: signal } : {})
        .catch(unavailable);
    },

    async [Symbol.asyncDispose]() {
      client.destroy();
    },
  } satisfies Blobs;
  return blobs;
}

async function readable(body: AsyncIterable<Uint8Array>): Promise<Readable> {
  const { Readable } = await import('node:stream');
  return Readable.from(body, { objectMode: false, highWaterMark: 256 * 1024 });
}

/** Remembers a failure of the body itself, so that it is not taken for one of the storage. */
async function* watch(body: AsyncIterable<Uint8Array>, onFailure: (error: unknown) => void) {
  try {
    yield* body;
  } catch (error) {
    onFailure(error);
    throw error;
  }
}

async function* guarded(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* body;
  } catch (error) {
    unavailable(error);
  }
}

function statusOf(error: unknown): number | undefined {
  return (error as { $metadata?: { httpStatusCode?: number } } | undefined)?.$metadata?.httpStatusCode;
}

function unavailable(error: unknown): never {
  const status = statusOf(error);
  const name = error instanceof Error ? error.name : 'unknown reason';
  if (status === 404)
    throw new StorageError('STORAGE_NOT_FOUND', 'The stored content is missing', { cause: error });
  if (status === 507 || name === 'XMinioStorageFull') {
    throw new StorageError('STORAGE_FULL', 'The storage is full', { cause: error });
  }
  throw new StorageError('STORAGE_UNAVAILABLE', `The storage cannot be used (${status ?? name})`, {
    cause: error,
  });
}
