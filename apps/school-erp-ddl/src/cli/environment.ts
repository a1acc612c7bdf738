import { type Client, createClient } from '@stackyard/postgres';
import { env } from '../env.ts';

/** Where the commands find the database; `stackyard` sets it for the scripts it runs. */
export function databaseUrl(): string {
  return env.parse(process.env).DATABASE_URL;
}

/** Runs `work` with a client that is closed afterwards. */
export async function withClient<T>(work: (client: Client) => Promise<T>): Promise<T> {
  await using client = createClient({ url: databaseUrl(), applicationName: 'erp' });
  return await work(client);
}
