import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { ConvexHttpClient } from 'convex/browser';
import { anyApi } from 'convex/server';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { RunningConvexLocal } from '../src/index.ts';
import { CHAT_APP } from './chat-app.ts';
import { Project, startDeployment, temporaryFolder } from './project.ts';

const folder = temporaryFolder();
let deployment: RunningConvexLocal;
let project: Project;
const messages = anyApi.messages!;

beforeAll(async () => {
  deployment = await startDeployment(path.join(folder.path, 'data'));
  project = new Project(path.join(folder.path, 'app'), CHAT_APP);
});

afterAll(async () => {
  await deployment[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});

const convex = async (...args: string[]) => {
  const result = await project.convex(deployment.url, ...args);
  expect(result, `${args.join(' ')}\n${result.stderr}`).toMatchObject({ code: 0 });
  return result;
};

test('dev --once pushes and generates code', async () => {
  const first = await convex('dev', '--once', '--typecheck', 'disable');
  expect(first.stderr).toContain('[+] messages.by_channel');
  expect(existsSync(path.join(project.root, 'convex', '_generated', 'api.d.ts'))).toBe(true);
  const client = new ConvexHttpClient(deployment.url, { logger: false });
  await client.mutation(messages.send!, { channel: 'first', text: 'written before' });
});

// Each starts processes of its own and waits for them: side by side they take half the time.
describe.concurrent('beside each other', { timeout: 120_000 }, () => {
  test('run calls public and internal functions, and names those there are', async () => {
    const id = await convex('run', 'messages:send', '{"channel":"cli","text":"typed"}');
    expect(id.stdout).toMatch(/^"[0-9a-z]{32}"\n$/);
    expect((await convex('run', 'messages:secret')).stdout).toBe('"hidden"\n');
    const missing = await project.convex(deployment.url, 'run', 'messages:absent');
    expect(missing.code).toBe(1);
    expect(missing.stderr).toContain('messages:send');
    expect(
      (await convex('run', 'messages:list', '{"channel":"cli"}', '--push', '--typecheck', 'disable')).stdout,
    ).toContain('typed');
  });

  test('run acts as a user', async () => {
    const me = await convex('run', '--identity', '{"name":"Ann","subject":"ann"}', 'messages:me');
    expect(JSON.parse(me.stdout)).toMatchObject({
      name: 'Ann',
      subject: 'ann',
      issuer: 'https://convex.test',
    });
  });

  test('data lists tables and documents', async () => {
    expect((await convex('data')).stdout).toBe('messages\n');
    expect((await convex('data', 'messages')).stdout).toContain('"written before"');
  });

  test('env sets, lists and removes variables', async () => {
    await convex('env', 'set', 'COLOUR', 'blue');
    expect((await convex('env', 'list')).stdout).toContain('COLOUR=blue');
    await convex('env', 'remove', 'COLOUR');
    expect((await convex('env', 'list')).stdout).not.toContain('COLOUR');
  });

  test('function-spec describes the functions', async () => {
    const spec = JSON.parse((await convex('function-spec')).stdout) as {
      url: string;
      functions: Array<{ identifier: string }>;
    };
    expect(spec.url).toBe(deployment.url);
    expect(spec.functions.map(({ identifier }) => identifier)).toContain('messages.js:send');
  });

  test('export and import carry documents, with their ids, to another deployment', async () => {
    const zip = path.join(folder.path, 'snapshot.zip');
    await convex('export', '--path', zip, '--include-file-storage');
    const client = new ConvexHttpClient(deployment.url, { logger: false });
    const before = await client.query(messages.list!, { channel: 'first' });
    await using other = await startDeployment(path.join(folder.path, 'other'));
    await project.push(other.url);
    const imported = await project.convex(other.url, 'import', '--replace-all', '--yes', zip);
    expect(imported, imported.stderr).toMatchObject({ code: 0 });
    const elsewhere = new ConvexHttpClient(other.url, { logger: false });
    expect(await elsewhere.query(messages.list!, { channel: 'first' })).toEqual(before);
  });

  test('import reads JSON lines and CSV, and refuses what the schema does not allow', async () => {
    const file = (name: string, text: string) => {
      writeFileSync(path.join(folder.path, name), text);
      return path.join(folder.path, name);
    };
    const rows = file('rows.jsonl', '{"channel":"lines","text":"a"}\n{"channel":"lines","text":"b"}\n');
    await convex('import', '--table', 'messages', '--append', rows);
    await convex(
      'import',
      '--table',
      'messages',
      '--append',
      file('rows.csv', 'channel,text\ncsv,from a table\n'),
    );
    const client = new ConvexHttpClient(deployment.url, { logger: false });
    expect(await client.query(messages.list!, { channel: 'lines' })).toHaveLength(2);
    expect(await client.query(messages.list!, { channel: 'csv' })).toMatchObject([{ text: 'from a table' }]);
    const wrong = file('wrong.jsonl', '{"channel":"lines"}\n');
    const refused = await project.convex(deployment.url, 'import', '--table', 'messages', '--append', wrong);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain('missing the required field `text`');
  });

  test('run evaluates a query written on the command line', async () => {
    const { stdout } = await convex(
      'run',
      '--inline-query',
      '(await ctx.db.query("messages").collect()).length > 0',
    );
    expect(stdout).toBe('true\n');
  });

  test('logs shows what functions logged, as it happens', async () => {
    const child = spawn(process.execPath, [project.cli, 'logs', '--success'], {
      cwd: project.root,
      env: project.environment(deployment.url),
    });
    let output = '';
    child.stdout.on('data', (chunk) => {
      output += chunk;
    });
    try {
      const client = new ConvexHttpClient(deployment.url, { logger: false });
      await vi.waitFor(
        async () => {
          await client.query(messages.list!, { channel: 'logged' });
          expect(output).toContain("[CONVEX Q(messages.js:list)] [LOG] 'listing' 'logged'");
        },
        { timeout: 10_000, interval: 200 },
      );
    } finally {
      child.kill();
      await once(child, 'exit');
    }
  });
});

test('codegen and deploy work, and a dry run changes nothing', async () => {
  await convex('codegen', '--typecheck', 'disable');
  project.write({
    'extra.ts': `import { queryGeneric as query } from 'convex/server'; export const hello = query(async () => 'hello');`,
  });
  await convex('deploy', '-y', '--dry-run', '--typecheck', 'disable');
  const client = new ConvexHttpClient(deployment.url, { logger: false });
  await expect(client.query(anyApi.extra!.hello!, {})).rejects.toThrow('Could not find public function');
  await convex('deploy', '-y', '--typecheck', 'disable');
  expect(await client.query(anyApi.extra!.hello!, {})).toBe('hello');
});

test('code that does not type-check is refused, and the old code keeps serving', async () => {
  project.write({
    'wrong.ts': `import { query } from './_generated/server'; export const wrong = query({ args: {}, handler: async (): Promise<string> => 1 });`,
  });
  writeFileSync(
    path.join(project.root, 'convex', 'tsconfig.json'),
    JSON.stringify({
      compilerOptions: {
        strict: true,
        noEmit: true,
        module: 'esnext',
        moduleResolution: 'bundler',
        target: 'esnext',
        skipLibCheck: true,
        lib: ['es2022', 'dom'],
      },
      include: ['wrong.ts'],
    }),
  );
  const refused = await project.convex(deployment.url, 'dev', '--once', '--typecheck', 'enable');
  expect(refused.code).toBe(1);
  expect(refused.stdout + refused.stderr).toContain("Type 'number' is not assignable to type 'string'");
  const client = new ConvexHttpClient(deployment.url, { logger: false });
  await expect(client.query(anyApi.wrong!.wrong!, {})).rejects.toThrow('Could not find public function');
  expect(await client.query(messages.list!, { channel: 'first' })).toHaveLength(1);
  project.write({ 'wrong.ts': '' });
});

test('dev watches the files and pushes each change', async () => {
  const child = spawn(
    process.execPath,
    [project.cli, 'dev', '--typecheck', 'disable', '--tail-logs', 'disable'],
    { cwd: project.root, env: project.environment(deployment.url) },
  );
  let output = '';
  child.stderr.on('data', (chunk) => {
    output += chunk;
  });
  try {
    await vi.waitFor(() => expect(output).toContain('functions ready'), { timeout: 15_000 });
    project.write({
      'extra.ts': `import { queryGeneric as query } from 'convex/server'; export const hello = query(async () => 'changed');`,
    });
    const client = new ConvexHttpClient(deployment.url, { logger: false });
    await vi.waitFor(async () => expect(await client.query(anyApi.extra!.hello!, {})).toBe('changed'), {
      timeout: 15_000,
    });
  } finally {
    child.kill();
    await once(child, 'exit');
  }
  expect(readFileSync(path.join(project.root, '.env.local'), 'utf8')).toContain(
    `CONVEX_URL=${deployment.url}`,
  );
});
