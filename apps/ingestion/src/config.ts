import { fileURLToPath, pathToFileURL } from 'node:url';
import { defineEnv, duration, integer, list, port, secret, url } from '@stackyard/env';
import { z } from 'zod';

const MiB = 1024 ** 2;

const database = {
  DATABASE_URL: secret(url({ protocols: ['postgresql', 'postgres'] })).describe(
    'The database of the documents',
  ),
};

const services = {
  ...database,
  QUEUE_URL: secret(url({ protocols: ['postgresql', 'postgres', 'redis', 'rediss'] }))
    .optional()
    .describe(
      'Where jobs queue: postgresql:// for the database itself, redis:// for BullMQ. Unset: the database',
    ),
  STORAGE_URL: secret(url({ protocols: ['file', 's3'] }))
    .optional()
    .describe(
      'Where documents lie: file:///folder or s3://key:secret@bucket?endpoint=... Unset: STORAGE_DIRECTORY',
    ),
  STORAGE_DIRECTORY: z
    .string()
    .default(fileURLToPath(new URL('../../../data/ingestion/objects', import.meta.url)))
    .describe('Folder of the documents where STORAGE_URL is unset'),
  EMBEDDING_URL: url({ protocols: ['http', 'https'] })
    .optional()
    .describe(
      'Base URL of an OpenAI-compatible service, such as http://127.0.0.1:11434/v1. Unset: the built-in hashing',
    ),
  EMBEDDING_MODEL: z.string().default('text-embedding-3-small').describe('Model at EMBEDDING_URL'),
  EMBEDDING_DIMENSIONS: integer({ min: 1, max: 4000 })
    .default(1536)
    .describe('Numbers of a vector of that model'),
  EMBEDDING_API_KEY: secret(z.string()).optional().describe('Key of that service'),
  NEXT_EMBEDDING_URL: url({ protocols: ['http', 'https'] })
    .optional()
    .describe(
      'Service of the model that `ingest reindex` changes to. Unset: EMBEDDING_URL; `hashing`-models need none',
    ),
  NEXT_EMBEDDING_API_KEY: secret(z.string()).optional().describe('Key of that service'),
  OTEL_EXPORTER_OTLP_ENDPOINT: url({ protocols: ['http', 'https'] })
    .optional()
    .describe('Where traces go (OTLP over HTTP). Unset: nowhere'),
};

const anonymousTenant = z
  .string()
  .optional()
  .describe(
    'Requests without an API key belong to this tenant. For development only. Unset: they are refused',
  );

/** What `setup` reads. */
export const setupEnv = defineEnv({
  ...database,
  QUEUE_URL: services.QUEUE_URL,
  ANONYMOUS_TENANT: anonymousTenant,
});

/** What the API reads. */
export const apiEnv = defineEnv({
  ...services,
  HOST: z.string().default('127.0.0.1').describe('Address that the API listens on'),
  PORT: port().default(4100).describe('Port of the API'),
  ANONYMOUS_TENANT: anonymousTenant,
  ALLOWED_HOSTS: list()
    .optional()
    .describe(
      'Names, comma separated, by which the API may be reached without an API key, besides localhost and addresses',
    ),
  MAX_DOCUMENT_BYTES: integer({ min: 1 })
    .default(1024 * MiB)
    .describe('Largest document in bytes'),
  WEB_DIRECTORY: z.string().optional().describe('Folder of the built page, served at /. Unset: no page'),
});

/** What the worker reads. */
export const workerEnv = defineEnv({
  ...services,
  CONCURRENCY: integer({ min: 1, max: 256 }).default(16).describe('Documents in work at once'),
  HEALTH_PORT: port().optional().describe('Port of /livez, /readyz and /metrics. Unset: none'),
  HOST: z.string().default('127.0.0.1').describe('Address of HEALTH_PORT'),
  LEASE: duration().default(10_000).describe('A job is taken over when its worker was silent for this long'),
  DELETED_FOR: duration()
    .default(30 * 86_400_000)
    .describe('Deleted documents can be restored for this long'),
});

export type Services = ReturnType<typeof apiEnv.parse> | ReturnType<typeof workerEnv.parse>;

/** The storage that the variables name. */
export function storageUrl({
  STORAGE_URL,
  STORAGE_DIRECTORY,
}: Pick<Services, 'STORAGE_URL' | 'STORAGE_DIRECTORY'>): URL {
  return STORAGE_URL === undefined ? pathToFileURL(STORAGE_DIRECTORY) : new URL(STORAGE_URL);
}
