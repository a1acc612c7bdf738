import { execFile } from 'node:child_process';
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';

export interface Row {
  readonly id: string;
  readonly text: string;
  readonly vector: number[];
}

/** A vector store of another project, used as its documentation says. */
export interface Peer extends AsyncDisposable {
  readonly name: string;
  /** What it stored, as text and vector by id: a query for the comparison. */
  readonly contents: string;
  readonly table: string;
  add(rows: readonly Row[]): Promise<void>;
}

const folder = fileURLToPath(new URL('../../node_modules/.cache/bench-peers', import.meta.url));

/** Installs the stores of `package.json`, once: 130 MB that nothing but this benchmark needs. */
async function install(): Promise<NodeJS.Require> {
  const wanted = new URL('package.json', import.meta.url);
  const mark = join(folder, 'installed.json');
  const installed = await readFile(mark, 'utf8').catch(() => '');
  if (installed !== (await readFile(wanted, 'utf8'))) {
    console.log('installing the stores to compare with ...');
    await mkdir(folder, { recursive: true });
    await copyFile(wanted, join(folder, 'package.json'));
    const npm = [
      'install',
      '--legacy-peer-deps',
      '--ignore-scripts',
      '--no-audit',
      '--no-fund',
      '--no-package-lock',
    ];
    await promisify(execFile)('npm', npm, { cwd: folder });
    await writeFile(mark, await readFile(wanted));
  }
  return createRequire(join(folder, 'package.json'));
}

/** LangChain's and LlamaIndex's stores for pgvector, each with its table. */
export async function openPeers(url: string, dimensions: number): Promise<Peer[]> {
  const require = await install();
  const load = (name: string) => import(pathToFileURL(require.resolve(name)).href);
  const { PGVectorStore: LangChainStore } = await load('@langchain/community/vectorstores/pgvector');
  const { FakeEmbeddings } = await load('@langchain/core/utils/testing');
  const langchain = await LangChainStore.initialize(new FakeEmbeddings(), {
    postgresConnectionOptions: { connectionString: url },
    tableName: 'langchain',
  });
  const { PGVectorStore: LlamaIndexStore } = await load('@llamaindex/postgres');
  const { TextNode } = await load('@llamaindex/core/schema');
  const llamaindex = new LlamaIndexStore({
    clientConfig: { connectionString: url },
    tableName: 'llamaindex',
    dimensions,
    embeddingModel: {},
  });
  await llamaindex.client(); // makes the table
  return [
    {
      name: 'LangChain',
      table: 'langchain',
      contents: 'SELECT id::text, text, embedding AS vector FROM langchain',
      async add(rows) {
        await langchain.addVectors(
          rows.map(({ vector }) => vector),
          rows.map(({ text }) => ({ pageContent: text, metadata: {} })),
          { ids: rows.map(({ id }) => id) },
        );
      },
      [Symbol.asyncDispose]: () => langchain.end(),
    },
    {
      name: 'LlamaIndex',
      table: 'llamaindex',
      contents: 'SELECT id::text, document AS text, embeddings AS vector FROM llamaindex',
      async add(rows) {
        // One statement for each call, and PostgreSQL takes 65,535 parameters: six a row.
        for (let at = 0; at < rows.length; at += 1000) {
          await llamaindex.add(
            rows
              .slice(at, at + 1000)
              .map(({ id, text, vector }) => new TextNode({ id_: id, text, embedding: vector })),
          );
        }
      },
      async [Symbol.asyncDispose]() {
        await llamaindex.client()?.then((client: { close?(): Promise<void> }) => client.close?.());
      },
    },
  ];
}
