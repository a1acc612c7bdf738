import type { CatalogueService } from './service.ts';

/** Versity Gateway: an S3 server in one process that keeps each object as a plain file. */
export const objectStore: CatalogueService = {
  name: 'object-store',
  summary: 'an S3 server (Versity Gateway)',
  compose: ({ variant, prefix, port }) => `\
image: versity/versitygw:v1.8.0
command: ["posix", "/data"]
environment:
  # Access key of ${variant}'s object store
  ROOT_ACCESS_KEY_ID: \${${prefix}_S3_KEY:-admin}
  # Secret of that key
  ROOT_SECRET_ACCESS_KEY: \${${prefix}_S3_SECRET:-development}
  VGW_PORT: ":7070"
  VGW_HEALTH: /health
ports:
  # Host port of ${variant}'s object store
  - "127.0.0.1:${port('S3')}:7070"
volumes:
  - ./data/${variant}/object-store:/data
healthcheck:
  test: ["CMD", "wget", "-q", "-O", "/dev/null", "http://127.0.0.1:7070/health"]
  interval: 1s
  timeout: 3s
  retries: 60
`,
  environment: ({ prefix }) => ({
    S3_ENDPOINT: 'http://object-store:7070',
    S3_KEY: `\${${prefix}_S3_KEY:-admin}`,
    S3_SECRET: `\${${prefix}_S3_SECRET:-development}`,
  }),
  withoutEngine:
    'there is no embedded object store: without Docker it is not started, and S3_ENDPOINT is unset, so keep files in a folder then',
};
