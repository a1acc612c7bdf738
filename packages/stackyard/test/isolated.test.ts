import { createServer } from 'node:net';
import path from 'node:path';
import { expect, test } from 'vitest';
import { isolatedPorts } from '../src/isolated-ports.ts';
import { describeVariant } from '../src/workspace.ts';
import { ContractWorkspace, freePorts } from './contract/workspace.ts';

interface UsedPort {
  checkout: string;
  variant: string;
  service: string;
  port: number;
  pid: number;
}

/** A folder for the registry of one test, which the stacks of other tests do not appear in. */
const registry = (workspace: ContractWorkspace) => ({
  XDG_RUNTIME_DIR: path.join(workspace.root, 'runtime'),
});

test('two checkouts of the same files run side by side, and "ports" lists both', async () => {
  const [port] = await freePorts(1);
  const environment = { SELF: `\${ONE_STORE_PORT:-${port}}` };
  const variants = { one: { services: { store: { port: port!, environment } } } };
  await using first = new ContractWorkspace('embedded', variants);
  await using second = new ContractWorkspace('embedded', variants);
  const env = registry(first);
  const listed = async (): Promise<UsedPort[]> =>
    JSON.parse((await first.run(['ports', '--json'], { env, cwd: '..' })).stdout);
  second.write('.env', `STACKYARD_ISOLATED=1\nONE_STORE_PORT=${port}\n`);
  expect(await listed()).toEqual([]);
  expect(await first.run(['up', 'one', '--isolated'], { env })).toMatchObject({ code: 0, stderr: '' });
  expect(await second.run(['up', 'one'], { env })).toMatchObject({ code: 0, stderr: '' });
  const used = await listed();
  expect(used.map(({ checkout, variant, service }) => [checkout, variant, service])).toEqual(
    [first.root, second.root].sort().map((root) => [root, 'one', 'store']),
  );
  expect(new Set([port, ...used.map((entry) => entry.port)]).size).toBe(3);
  const { stack } = await first.status('one');
  const mine = used.find(({ checkout }) => checkout === first.root)!;
  expect(stack!.services.store).toMatchObject({ process: { pid: mine.pid } });
  // A later command knows how the stack was started.
  const shown = await first.run(['env', 'one', 'store', '--json'], { env });
  expect(JSON.parse(shown.stdout)).toMatchObject({ SELF: String(mine.port) });
  expect((await fetch(`http://127.0.0.1:${mine.port}/health`)).status).toBe(200);
  await first.run(['down', 'one'], { env });
  expect((await listed()).map(({ checkout }) => checkout)).toEqual([second.root]);
}, 60_000);

test('the ports of a checkout stay the same, and keep away from what others hold', async () => {
  const [port] = await freePorts(1);
  await using workspace = new ContractWorkspace('embedded', {
    one: { services: { store: { port: port! }, cache: { port: port! } } },
  });
  const chosen = await isolatedPorts(describeVariant(workspace.root, 'one'));
  expect(Object.keys(chosen)).toEqual(['ONE_STORE_PORT', 'ONE_CACHE_PORT']);
  const held = createServer().listen(chosen.ONE_STORE_PORT, '127.0.0.1');
  try {
    expect(await isolatedPorts(describeVariant(workspace.root, 'one'))).toEqual(chosen);
    workspace.variant('two', { services: { store: { port: port! } } });
    const other = await isolatedPorts(describeVariant(workspace.root, 'two'));
    expect(Object.values(chosen)).not.toContain(other.TWO_STORE_PORT);
    workspace.write('.stackyard/ports.json', '');
    const again = await isolatedPorts(describeVariant(workspace.root, 'one'));
    expect(Object.values(again)).not.toContain(chosen.ONE_STORE_PORT);
  } finally {
    held.close();
  }
});

test('variants that start at the same time share the block of their checkout', async () => {
  const [port] = await freePorts(1);
  const services = { store: { port: port! } };
  await using workspace = new ContractWorkspace('embedded', {
    one: { services },
    two: { services },
    three: { services },
  });
  const names = ['one', 'two', 'three'];
  const chosen = await Promise.all(names.map((name) => isolatedPorts(describeVariant(workspace.root, name))));
  expect(new Set(chosen.flatMap((ports) => Object.values(ports))).size).toBe(3);
});
