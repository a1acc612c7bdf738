import { type Client, createClient } from '@stackyard/postgres';

/** Where the commands find the database; `stackyard` sets it for the scripts it runs. */
export function databaseUrl(): string {
  const url = process.env.DATABASE_URL;
  if (url) return url;
  throw Object.assign(new Error('DATABASE_URL is not set'), {
    code: 'ERP_NO_DATABASE',
    hint: 'Run the command through `stackyard exec school-erp-ddl -- erp ...`, or set DATABASE_URL.',
  });
}

/** Runs `work` with a client that is closed afterwards. */
export async function withClient<T>(work: (client: Client) => Promise<T>): Promise<T> {
  await using client = createClient({ url: databaseUrl(), applicationName: 'erp' });
  return await work(client);
}
