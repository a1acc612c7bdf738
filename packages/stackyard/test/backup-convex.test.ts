// only: convex
import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { generateInstanceSecret, issueAdminKey } from '@stackyard/convex-selfhost';
import { expect, test } from 'vitest';
import { openBackup } from '../src/backup/open-backup.ts';
import { ContractWorkspace, freePorts } from './contract/workspace.ts';

const convexCli = path.join(import.meta.dirname, '../../convex-local/node_modules/.bin/convex');

test('Convex comes back with its documents, and only for its own instance', async () => {
  const secret = generateInstanceSecret();
  const convex = (ports: number[], instanceSecret: string) => ({
    image: 'ghcr.io/get-convex/convex-backend:latest',
    environment: { INSTANCE_NAME: 'shop', INSTANCE_SECRET: instanceSecret },
    ports: [`127.0.0.1:${ports[0]}:3210`, `127.0.0.1:${ports[1]}:3211`],
    volumes: ['./data/shop/store:/convex/data'],
    'x-embedded': { engine: 'convex' },
  });
  const ports = await freePorts(2);
  await using workspace = new ContractWorkspace('embedded', {
    shop: { services: {}, others: { store: convex(ports, secret) } },
  });
  const cli = (...args: string[]) =>
    promisify(execFile)(convexCli, args, {
      cwd: workspace.root,
      env: {
        PATH: [path.dirname(process.execPath), process.env.PATH].join(path.delimiter),
        HOME: workspace.root,
        CONVEX_SELF_HOSTED_URL: `http://127.0.0.1:${ports[0]}`,
        CONVEX_SELF_HOSTED_ADMIN_KEY: issueAdminKey({ instanceName: 'shop', instanceSecret: secret }),
      },
    });
  const notes = (count: number) => {
    const lines = Array.from({ length: count }, (_, number) => JSON.stringify({ number }));
    workspace.write('notes.jsonl', lines.join('\n'));
    return cli('import', '--table', 'notes', '--replace', '--yes', 'notes.jsonl');
  };
  workspace.write('package.json', JSON.stringify({ name: 'app', dependencies: { convex: '*' } }));
  expect(await workspace.run(['up', 'shop'])).toMatchObject({ code: 0, stderr: '' });
  await notes(25);
  const taken = await workspace.run(['backup', 'shop', '--json', '--output', 'saved']);
  expect(taken).toMatchObject({ code: 0 });
  const [store] = JSON.parse(taken.stdout).services;
  expect(store).toMatchObject({ method: 'paused', as: 'engine convex', rows: { notes: 25 } });
  await notes(3);
  await workspace.run(['down', 'shop']);

  workspace.variant('shop', { services: {}, others: { store: convex(ports, generateInstanceSecret()) } });
  const refused = await workspace.run(['restore', 'saved']);
  expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('ENGINE_CONVEX_CREDENTIALS') });
  expect(refused.stderr).not.toContain(secret);
  workspace.variant('shop', { services: {}, others: { store: convex(ports, secret) } });

  const restored = await workspace.run(['restore', 'saved']);
  expect(restored).toMatchObject({ code: 0, stderr: '' });
  const replaced = await openBackup(/what it replaced is in (.*)/.exec(restored.stdout)![1]!);
  expect(replaced.manifest.services[0]!.rows).toMatchObject({ notes: 3 });
  await workspace.run(['up', 'shop']);
  const { stdout } = await cli('data', 'notes', '--limit', '100', '--format', 'jsonLines');
  expect(stdout.trim().split('\n')).toHaveLength(25);

  // By now the engine has files of its own too. Two backups do not get into each other's way, nor a restore into that
  // of the backup that it takes.
  const both = await Promise.all(
    ['one', 'two'].map((name) => workspace.run(['backup', 'shop', '--output', name])),
  );
  for (const taken of both) expect(taken).toMatchObject({ code: 0, stderr: '' });
  await workspace.run(['down', 'shop']);
  for (const name of ['one', 'two'])
    expect(await workspace.run(['restore', name])).toMatchObject({ code: 0, stderr: '' });
  expect(readdirSync(path.join(workspace.root, '.stackyard/run/shop')).join()).not.toContain('copies');
}, 180_000);
