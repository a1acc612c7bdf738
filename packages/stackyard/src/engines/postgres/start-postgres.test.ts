import pg from 'pg';
import { expect, test } from 'vitest';
import { exists } from './binaries.ts';
import { startPostgres } from './start-postgres.ts';

test('a started server answers over its URL and is gone after it was disposed of', async () => {
  let place: string;
  {
    await using server = await startPostgres();
    place = server.dataDirectory;
    const client = new pg.Client(server.url);
    await client.connect();
    const { rows } = await client.query(
      "SELECT current_setting('server_version') AS version, lower('ÄÖ') AS lower",
    );
    expect(rows).toEqual([{ version: server.version, lower: 'äö' }]);
    await client.end();
  }
  expect(await exists(place)).toBe(false);
});
