import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { catalogueServices, planService } from '../src/index.ts';
import { checkout } from './checkout.ts';

test.each(['docker compose', 'docker-compose'].filter(works))(
  '%s takes every service of the catalogue',
  (tool) => {
    using tree = checkout('shop');
    for (const { name } of catalogueServices) {
      tree.write('apps/shop/compose.yaml', planService(tree.root, 'shop', name).after);
      const { status, stdout, stderr } = compose(tool, tree.root, 'config');
      expect({ name, status, stderr }).toMatchObject({ name, status: 0 });
      expect(stdout).toContain(`\n  ${name}:\n`);
    }
  },
);

test('there is a Compose to ask', () => {
  expect(['docker compose', 'docker-compose'].some(works)).toBe(true);
});

function compose(tool: string, cwd: string, ...args: string[]) {
  const [command = '', ...first] = tool.split(' ');
  const { PATH, HOME, DOCKER_CONFIG } = process.env; // no variable of the Compose files
  const files = ['infra', 'apps/shop'].flatMap((folder) => ['-f', `${folder}/compose.yaml`]);
  return spawnSync(command, [...first, '--project-directory', '.', '-p', 'shop', ...files, ...args], {
    cwd,
    encoding: 'utf8',
    env: { PATH, HOME, DOCKER_CONFIG },
  });
}

function works(tool: string): boolean {
  const [command = '', ...first] = tool.split(' ');
  return spawnSync(command, [...first, 'version']).status === 0;
}
