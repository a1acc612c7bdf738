import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { $ } from 'zx';

const root = resolve(import.meta.dirname, '..');
const blocks = readFileSync(join(root, 'docs/production.md'), 'utf8').matchAll(
  /^( *)```sh\n([\s\S]*?)^\1```/gm,
);
const page = [...blocks].map(([, , block = '']) => block);
const blockWith = (text: string) => page.find((block) => block.includes(text)) ?? '';

test("production's backup is made, and the commands of the page restore it into an empty database", async () => {
  const makeKey = blockWith('make-key.sh').replace('~/stackyard-backup-key', '/tmp/key');
  const restore = blockWith('pg_restore')
    .replace('backup.key', '/tmp/key/backup.key')
    .replace('20270101T030000Z-shop.dump.cms', '"$(echo /tmp/backups/*-shop.dump.cms)"')
    .replaceAll('shop.dump\n', '/tmp/shop.dump\n');
  const script = `set -eu
mkdir /tmp/backups
docker-entrypoint.sh postgres >/tmp/log 2>&1 &
until pg_isready -q; do sleep 0.1; done
createdb shop
psql -qd shop -c 'CREATE TABLE goods AS SELECT generate_series(1, 1000) AS id'
${makeKey}
BACKUP_FOLDER=/tmp/backups BACKUP_CERTIFICATE_FILE=/tmp/key/backup.crt sh infra/backup/backup.sh once
dropdb shop
createdb shop
${restore}
psql -qAtd shop -c 'SELECT count(*) FROM goods'
`;
  const connection = ['PGHOST=127.0.0.1', 'PGUSER=postgres', 'PGPASSWORD=a', 'POSTGRES_PASSWORD=a'];
  const container = [
    ...connection.flatMap((variable) => ['-e', variable]),
    ...['-v', `${join(root, 'infra/backup')}:/checkout/infra/backup:ro`, '-w', '/checkout'],
  ];
  const run = $({ input: script, quiet: true });
  const { stdout } = await run`docker run --rm --init -i ${container} --entrypoint sh postgres:17 -s`;
  expect(stdout).toMatch(/shop: \d+ bytes, 1 tables, restored and compared\n/);
  expect(stdout).toMatch(/\n1000\n$/);
});
