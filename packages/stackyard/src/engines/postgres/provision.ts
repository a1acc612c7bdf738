import type { Client } from 'pg';
import { EngineError } from '../engine-error.ts';
import type { Binaries } from './binaries.ts';
import type { ImageEnvironment } from './image-environment.ts';
import { startServer } from './server.ts';
import type { ServerUser } from './server-user.ts';

export interface ProvisionOptions {
  readonly binaries: Binaries;
  readonly user: ServerUser | undefined;
  readonly dataDirectory: string;
  readonly wanted: ImageEnvironment;
  /** Run in the target database, one after another. */
  readonly scripts: readonly { readonly path: string; readonly sql: string }[];
  readonly signal: AbortSignal;
}

/** Creates the target database, and runs the scripts in it, through a server that runs for this purpose only. */
export async function provision(options: ProvisionOptions): Promise<void> {
  const { wanted } = options;
  if (wanted.database === 'postgres' && options.scripts.length === 0) return;
  const { default: pg } = await import('pg');
  const server = await startServer(options);
  const connect = async (database: string): Promise<Client> => {
    const { user, password } = wanted;
    const client = new pg.Client({ host: '127.0.0.1', port: server.port, user, password, database });
    await client.connect();
    return client;
  };
  try {
    if (wanted.database !== 'postgres') {
      const client = await connect('postgres');
      try {
        await client.query(`CREATE DATABASE ${client.escapeIdentifier(wanted.database)}`);
      } catch (error) {
        if ((error as { code?: string }).code !== '42P04') throw error; // duplicate_database
      } finally {
        await client.end();
      }
    }
    if (options.scripts.length === 0) return;
    const client = await connect(wanted.database);
    try {
      for (const { path, sql } of options.scripts) {
        options.signal.throwIfAborted();
        await client.query(sql).catch((cause: Error) => {
          throw new EngineError(
            'ENGINE_INIT_SCRIPT',
            `${path}: ${cause.message}`,
            'Correct the script. The database was not created: the next start runs all scripts again.',
            { cause },
          );
        });
      }
    } finally {
      await client.end();
    }
  } finally {
    await server.stop('SIGINT');
  }
}
