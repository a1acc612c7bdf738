import {
  type TestDatabase,
  type TestDatabases,
  type TestDatabasesOptions,
  testDatabases,
} from '@stackyard/postgres/testing';
import { afterAll } from 'vitest';
import { postgresUrl } from './postgres-url.ts';

export type UsePostgresOptions = Omit<TestDatabasesOptions, 'url'>;

/**
 * A fixture: an isolated PostgreSQL database for each test that names it, migrated and seeded, made ahead of need on
 * the server of the run. Call it at the top of a test file.
 *
 * ```ts
 * const test = base.extend('database', usePostgres({ migrations: 'db/migrations' }));
 *
 * test('a person has a name', async ({ database: { client } }) => { ... });
 * ```
 */
export function usePostgres(
  options: UsePostgresOptions = {},
): (context: object, tools: { onCleanup: (release: () => Promise<void>) => void }) => Promise<TestDatabase> {
  let databases: Promise<TestDatabases> | undefined;
  afterAll(async () => {
    await (await databases)?.close();
  });
  // biome-ignore lint/correctness/noEmptyPattern: Vitest reads the pattern to learn what the fixture needs
  return async ({}, { onCleanup }) => {
    databases ??= postgresUrl().then((url) => testDatabases({ ...options, url }));
    const database = await (await databases).open();
    onCleanup(async () => {
      await database[Symbol.asyncDispose]();
    });
    return database;
  };
}
