import { randomBytes } from 'node:crypto';
import { inject } from 'vitest';
import { type Client, type ClientOptions, createClient } from '../src/index.ts';

/** URL of the PostgreSQL that the root's global setup starts for the run. */
export async function serverUrl(): Promise<string> {
  const response = await fetch(inject('stackyardPostgres' as never) as string);
  const text = await response.text();
  if (!response.ok) throw new Error(text);
  return text;
}

/** An empty database of its own, dropped at the end. */
export async function emptyDatabase(
  options: Partial<ClientOptions> = {},
): Promise<{ url: string; client: Client } & AsyncDisposable> {
  const admin = createClient({ url: await serverUrl(), connections: 1 });
  const name = `test_${randomBytes(6).toString('hex')}`;
  await admin.execute(`CREATE DATABASE ${name} STRATEGY FILE_COPY`);
  const url = new URL(await serverUrl());
  url.pathname = `/${name}`;
  const client = createClient({ url: url.href, ...options });
  return {
    url: url.href,
    client,
    async [Symbol.asyncDispose]() {
      await client.close({ graceMs: 1000 });
      await admin.execute(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
      await admin.close();
    },
  };
}
