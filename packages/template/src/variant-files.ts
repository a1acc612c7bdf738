import type { Names } from './names.ts';
import { formsOf, titleOf } from './names.ts';

/** The text of each file of an empty variant, by its path below `apps/<name>/`. */
export function variantFiles(
  name: Names['name'],
  port: number,
  license: string | undefined,
): ReadonlyMap<string, string> {
  const title = titleOf(name);
  const variable = `${formsOf(name).upper}_API_PORT`;
  return new Map([
    ['package.json', packageJson(name, title, license)],
    ['compose.yaml', compose(name, `\${${variable}:-${port}}`)],
    ['tsconfig.json', '{ "extends": "../../tsconfig.base.json", "include": ["src", "test"] }\n'],
    ['README.md', readme(name, title, port)],
    ['src/env.ts', env(port)],
    ['src/setup.ts', setup(name)],
    ['src/main.ts', main],
    ['src/server.ts', server(name)],
    ['src/server.test.ts', serverTest(name)],
    ['test/stack.test.ts', stackTest(name)],
  ]);
}

function packageJson(name: string, title: string, license: string | undefined): string {
  return `\
{
  "name": "${name}",
  "version": "0.0.0",
  "private": true,
  "description": "${title}",
${license === undefined ? '' : `  "license": ${JSON.stringify(license)},\n`}  "type": "module",
  "scripts": {
    "typecheck": "tsc",
    "dev": "stackyard dev",
    "setup": "node src/setup.ts",
    "dev:api": "node --watch-path=src src/main.ts"
  },
  "dependencies": {
    "@stackyard/env": "workspace:*",
    "@stackyard/healthchecks": "workspace:*"
  },
  "devDependencies": {
    "@stackyard/testing": "workspace:*",
    "@types/node": "catalog:",
    "stackyard": "workspace:*",
    "typescript": "catalog:",
    "vitest": "catalog:"
  }
}
`;
}

function compose(name: string, port: string): string {
  return `\
# What ${name} needs, over infra/compose.yaml. Paths are relative to the root of the repository.
services:
  # The package script "setup": it ends before the API starts
  setup:
    image: node:24
    working_dir: /workspace/apps/${name}
    command: ["node", "--run", "setup"]
    volumes:
      - .:/workspace

  api:
    image: node:24
    working_dir: /workspace/apps/${name}
    command: ["node", "src/main.ts", "--host", "0.0.0.0"]
    environment:
      PORT: ${port}
    ports:
      # Host port of ${name}'s API
      - "127.0.0.1:${port}:${port}"
    volumes:
      - .:/workspace
    depends_on:
      setup:
        condition: service_completed_successfully

  # The base has a PostgreSQL, which this variant does not use yet
  postgres:
    profiles: [unused]
`;
}

function readme(name: string, title: string, port: number): string {
  return `\
# ${title}

\`\`\`sh
./pnpmw turbo dev --filter ${name}
\`\`\`

starts the services of [compose.yaml](compose.yaml), runs [src/setup.ts](src/setup.ts), and serves
<http://127.0.0.1:${port}>.
`;
}

function env(port: number): string {
  return `\
import { defineEnv, port } from '@stackyard/env';

/** What the API reads from its environment. */
export const env = defineEnv({
  PORT: port().default(${port}).describe('Port of the API'),
});
`;
}

function setup(name: string): string {
  return `\
// Runs at each start, once the services are healthy: migrations, seeds. It must end.
console.log('${name} has nothing to set up yet');
`;
}

const main = `\
/**
 * Entry point of the API; ends on SIGINT and SIGTERM.
 *
 *   node src/main.ts [--host 0.0.0.0]
 *
 * The host is for a container, whose ports are published from outside.
 */
import { parseArgs } from 'node:util';
import { createHealth } from '@stackyard/healthchecks';
import { env } from './env.ts';
import { createApi } from './server.ts';

const { PORT } = env.parse(process.env);
const { host } = parseArgs({ options: { host: { type: 'string', default: '127.0.0.1' } } }).values;
const health = createHealth();
const server = createApi(health);
server.listen(PORT, host, () => console.log(\`listening on http://\${host}:\${PORT}\`));

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    health.shutDown();
    server.close();
    server.closeIdleConnections();
  });
}
`;

function server(name: string): string {
  return `\
import { createServer, type Server } from 'node:http';
import { type Health, nodeHandler } from '@stackyard/healthchecks';

/** The API, which does not listen yet: \`/livez\`, \`/readyz\`, and a greeting. */
export function createApi(health: Health): Server {
  const healthOr = nodeHandler(health);
  return createServer(async (request, response) => {
    if (await healthOr(request, response)) return;
    response.writeHead(request.url === '/' ? 200 : 404, { 'content-type': 'text/plain; charset=utf-8' });
    response.end(request.url === '/' ? 'This is ${name}.\\n' : 'There is no such page.\\n');
  });
}
`;
}

function serverTest(name: string): string {
  return `\
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createHealth } from '@stackyard/healthchecks';
import { test as base, expect } from 'vitest';
import { createApi } from './server.ts';

const test = base.extend('url', async ({}, { onCleanup }) => {
  const server = createApi(createHealth()).listen(0, '127.0.0.1');
  onCleanup(() => {
    server.close();
  });
  await once(server, 'listening');
  return \`http://127.0.0.1:\${(server.address() as AddressInfo).port}\`;
});

test('says what it is, and refuses what it does not have', async ({ url }) => {
  const answer = await fetch(url);
  expect([answer.status, await answer.text()]).toEqual([200, 'This is ${name}.\\n']);
  expect((await fetch(\`\${url}/nothing\`)).status).toBe(404);
});

test('is ready', async ({ url }) => {
  expect((await fetch(\`\${url}/readyz\`)).status).toBe(200);
});
`;
}

function stackTest(name: string): string {
  return `\
import { useStack } from '@stackyard/testing';
import { test as base, expect } from 'vitest';

const test = base.extend('stack', useStack('${name}'));

test('the stack comes up and is set up', async ({ stack }) => {
  expect(stack.output).toContain('${name} has nothing to set up yet');
  expect(stack.environment('api').PORT).toMatch(/^\\d+$/);
});
`;
}
