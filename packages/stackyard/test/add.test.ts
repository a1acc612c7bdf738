import { readFileSync } from 'node:fs';
import path from 'node:path';
import { catalogueServices } from '@stackyard/template';
import { expect, test } from 'vitest';
import { ContractWorkspace, freePorts } from './contract/workspace.ts';

const base = readFileSync(path.join(import.meta.dirname, '../../../infra/compose.yaml'), 'utf8');

/** A checkout with one variant, whose script `setup` tells what it gets to see. */
async function shop(): Promise<ContractWorkspace> {
  const workspace = new ContractWorkspace('embedded', {});
  workspace.write('infra/compose.yaml', base);
  workspace.write('package.json', '{}\n');
  workspace.write(
    'apps/shop/compose.yaml',
    'services:\n  setup:\n    image: node:24\n\n  postgres:\n    profiles: [unused]\n',
  );
  workspace.write('apps/shop/package.json', JSON.stringify({ scripts: { setup: 'env | sort' } }));
  return workspace;
}

test.each(catalogueServices.map(({ name }) => name))(
  'a variant comes up with %s, without Docker',
  async (name) => {
    await using workspace = await shop();
    const added = await workspace.run(['add', name], { cwd: 'apps/shop' });
    expect(added).toMatchObject({ code: 0, stderr: '' });
    const file = workspace.read('apps/shop/compose.yaml');
    const variables = [...file.matchAll(/\$\{(\w+_PORT):-\d+\}:/g)].map(([, variable = '']) => variable);
    const ports = await freePorts(variables.length);
    const env = Object.fromEntries(variables.map((variable, index) => [variable, String(ports[index])]));
    const up = await workspace.run(['up', 'shop'], { env });
    expect(up).toMatchObject({ code: 0, stderr: '' });
    const runs = file.includes('x-embedded');
    const { stack } = await workspace.status('shop');
    expect(stack?.services[name]?.state).toBe(runs ? 'healthy' : 'not started');
    expect(added.stdout.includes('there is no embedded')).toBe(!runs);
    const given = /^setup: (.*)$/m.exec(added.stdout)![1]!.split(', ')[0]!;
    const seen = (await workspace.run(['logs', 'shop', 'setup'])).stdout;
    if (runs) expect(seen).toMatch(new RegExp(`${given}=.*127\\.0\\.0\\.1:(${ports.join('|')})`));
    else expect(seen).not.toContain(`${given}=`);
  },
  60_000,
);

test('shows the difference and writes nothing, where that is asked for', async () => {
  await using workspace = await shop();
  const before = workspace.read('apps/shop/compose.yaml');
  const { code, stdout } = await workspace.run(['add', 'redis', '--variant', 'shop', '--dry-run']);
  expect(code).toBe(0);
  expect(stdout).toContain('+++ b/apps/shop/compose.yaml');
  expect(stdout).toContain('+  redis:\n');
  expect(workspace.read('apps/shop/compose.yaml')).toBe(before);
});

test('lists the files of a new variant and makes none, where that is asked for; refuses a bad name', async () => {
  await using workspace = await shop();
  const { code, stdout } = await workspace.run(['new', 'variant', 'mill', '--dry-run']);
  expect(code).toBe(0);
  expect(stdout).toContain('  apps/mill/compose.yaml\n');
  expect(() => workspace.read('apps/mill/compose.yaml')).toThrow();
  const refused = await workspace.run(['new', 'variant', 'Mill', '--yes']);
  expect(refused.code).toBe(2);
  expect(refused.stderr).toContain('TEMPLATE_VARIANT_NAME');
});
