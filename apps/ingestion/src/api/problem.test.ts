import { PostgresError } from '@stackyard/postgres';
import { expect, test } from 'vitest';
import { StorageError } from '../storage/index.ts';
import { problemOf } from './problem.ts';

const ofDatabase = (sqlState: string | undefined, code: `POSTGRES_${string}` = 'POSTGRES_QUERY') =>
  new PostgresError(code, 'x', { hint: 'x', sqlState });

test.each([
  ['a full disk of the storage', new StorageError('STORAGE_FULL', 'x'), 507, 'API_STORAGE_FULL'],
  ['a storage that is away', new StorageError('STORAGE_UNAVAILABLE', 'x'), 503, 'API_UNAVAILABLE'],
  ['a full disk of the database', ofDatabase('53100'), 503, 'API_UNAVAILABLE'],
  ['a database that ends the session', ofDatabase('57P01'), 503, 'API_UNAVAILABLE'],
  ['a lost connection', ofDatabase(undefined, 'POSTGRES_CONNECTION_LOST'), 503, 'API_UNAVAILABLE'],
  ['a wrong statement', ofDatabase('42601'), 500, 'API_INTERNAL'],
  ['a wrong value', ofDatabase(undefined, 'POSTGRES_VALUE'), 500, 'API_INTERNAL'],
  ['a mistake in here', new TypeError('x'), 500, 'API_INTERNAL'],
])('%s is answered with its code, and goes to the log', (_what, error, status, code) => {
  const problem = problemOf(error);
  expect(problem).toMatchObject({ status, code, unforeseen: true });
  expect(problem.toJSON()).toMatchObject({ status, code, hint: expect.stringMatching(/\w/) });
});
