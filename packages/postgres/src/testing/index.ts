export {
  type TestDatabase,
  type TestDatabases,
  type TestDatabasesOptions,
  testDatabases,
} from './test-databases.ts';
