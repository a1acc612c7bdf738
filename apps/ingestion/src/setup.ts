import { fileURLToPath } from 'node:url';
import { type Client, createClient, migrate } from '@stackyard/postgres';
import { openQueue } from './queue/index.ts';
import { saveTenant } from './store/tenants.ts';

export const migrations = fileURLToPath(new URL('../db/migrations', import.meta.url));

export interface SetupOptions {
  readonly databaseUrl: string;
  readonly queueUrl?: string | undefined;
  readonly anonymousTenant?: string | undefined;
  readonly onProgress?: (line: string) => void;
}

/** Brings database and queue to the state that this version needs. Running it again changes nothing. */
export async function setup({
  databaseUrl,
  queueUrl,
  anonymousTenant,
  onProgress,
}: SetupOptions): Promise<void> {
  await using client: Client = createClient({
    url: databaseUrl,
    applicationName: 'ingestion setup',
    connections: 2,
  });
  const { applied } = await migrate({
    client,
    directory: migrations,
    lockTimeoutMs: 30_000,
    onFile: (file) => onProgress?.(`applying ${file}`),
  });
  onProgress?.(applied.length === 0 ? 'the schema is up to date' : `${applied.length} migrations applied`);
  const url = queueUrl === undefined ? undefined : new URL(queueUrl);
  await using _queue = await openQueue({
    url,
    client,
    migrate: true,
    onError: (error) => onProgress?.(error instanceof Error ? error.message : String(error)),
  });
  if (anonymousTenant !== undefined) await saveTenant(client, anonymousTenant);
}
