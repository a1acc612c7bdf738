import { readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { fileURLToPath } from 'node:url';
import { type Health, nodeHandler } from '@stackyard/healthchecks';
import type { Client, Queryable } from '../database.ts';
import { diagram } from '../docs/diagram.ts';
import { type DomainModel, readModel } from '../docs/model.ts';
import { samples } from './samples.ts';

const ASSETS: Readonly<Record<string, readonly [file: string, type: string]>> = {
  '/': ['index.html', 'text/html'],
  '/app.js': ['app.js', 'text/javascript'],
  '/style.css': ['style.css', 'text/css'],
};
const SHOWN_ROWS = 100;

export interface ExplorerOptions {
  /** The client to use now: another one after the database was replaced. */
  readonly client: () => Client;
  readonly health: Health;
}

/** What changed, for the pages that are open. */
export type Change = { readonly kind: 'schema' } | { readonly kind: 'problem'; readonly message: string };

/** The explorer as an HTTP server that does not listen yet. */
export class Explorer {
  readonly server: Server;
  readonly #options: ExplorerOptions;
  readonly #pages = new Set<ServerResponse>();
  #model: Promise<DomainModel[]> | undefined;
  readonly #diagrams = new Map<string, Promise<string>>();
  #problem: string | undefined;

  constructor(options: ExplorerOptions) {
    this.#options = options;
    const health = nodeHandler(options.health);
    this.server = createServer(async (request, response) => {
      try {
        if (!(await health(request, response))) await this.#answer(request, response);
      } catch (error) {
        if (!response.headersSent) response.writeHead(500, { 'content-type': 'application/json' });
        response.end(JSON.stringify({ error: (error as Error).message }));
      }
    });
  }

  /** Tells every open page; after a change of the schema they read it again, and it is there by then. */
  async announce(change: Change): Promise<void> {
    this.#problem = change.kind === 'problem' ? change.message : undefined;
    if (change.kind === 'schema') {
      this.#model = undefined;
      this.#diagrams.clear();
      await this.#schema().catch(() => undefined); // each page asks again, and shows why
    }
    for (const page of this.#pages) page.write(`data: ${JSON.stringify(change)}\n\n`);
  }

  /** Ends open streams, so that the server can close. */
  close(): Promise<void> {
    for (const page of this.#pages) page.end();
    return new Promise((resolve) => {
      this.server.close(() => resolve());
      this.server.closeAllConnections();
    });
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://explorer');
    const tenant = searchParams.get('tenant') ?? '';
    const asset = ASSETS[pathname];
    const picture = /^\/diagrams\/([a-z_]+)\.svg$/.exec(pathname);
    if (asset) {
      const path = fileURLToPath(new URL(`../../explorer/${asset[0]}`, import.meta.url));
      send(response, 200, asset[1], await readFile(path));
    } else if (picture) {
      const svg = await this.#diagram(picture[1]!);
      send(response, svg ? 200 : 404, 'image/svg+xml', svg ?? '');
    } else if (pathname === '/events') this.#listen(response);
    else if (pathname === '/api/schema') json(response, await this.#schema());
    else if (pathname === '/api/tenants') json(response, await this.#tenants());
    else if (pathname === '/api/counts') json(response, await this.#counts());
    else if (pathname === '/api/samples') json(response, await this.#asTenant(tenant, samples));
    else if (pathname === '/api/run')
      json(response, await this.#run(tenant, searchParams.get('sample') ?? ''));
    else json(response, { error: 'not found' }, 404);
  }

  #schema(): Promise<DomainModel[]> {
    this.#model ??= readModel(this.#options.client());
    this.#model.catch(() => {
      this.#model = undefined;
    });
    return this.#model;
  }

  async #diagram(name: string): Promise<string | undefined> {
    const domain = (await this.#schema()).find((candidate) => candidate.name === name);
    if (!domain) return undefined;
    const made = this.#diagrams.get(name) ?? diagram(domain);
    this.#diagrams.set(name, made);
    return made;
  }

  #tenants(): Promise<{ code: string; name: string }[]> {
    return this.#options.client().query('SELECT code, name FROM tenancy.tenant WHERE active ORDER BY code');
  }

  /** Rows and bytes of each table, partitions counted with their parents; rows as the statistics know them. */
  #counts(): Promise<{ name: string; rows: number; bytes: number }[]> {
    return this.#options.client().query(`
      SELECT n.nspname || '.' || root.relname AS name,
        sum(greatest(pg_stat_get_live_tuples(c.oid), c.reltuples, 0))::float8 AS rows,
        sum(pg_total_relation_size(c.oid))::float8 AS bytes
      FROM pg_class c
      JOIN pg_class root ON root.oid = coalesce(pg_partition_root(c.oid), c.oid)
      JOIN pg_namespace n ON n.oid = root.relnamespace
      WHERE c.relkind = 'r' AND n.nspname !~ '^(pg_|information_schema$|public$)'
      GROUP BY 1 ORDER BY 1`);
  }

  /** Only the samples run, by name, as the analyst of a tenant: the explorer takes no SQL from the page. */
  async #run(tenant: string, name: string): Promise<object> {
    return this.#asTenant(tenant, async (tx) => {
      const sample = (await samples(tx)).find((candidate) => candidate.name === name);
      if (!sample) return { error: 'there is no such sample' };
      const started = performance.now();
      const rows = await tx.query(sample.statement);
      const ms = performance.now() - started;
      const plan = await tx.query<{ 'QUERY PLAN': string }>(`EXPLAIN (ANALYZE, BUFFERS) ${sample.statement}`);
      return {
        ...sample,
        ms,
        count: rows.length,
        rows: rows.slice(0, SHOWN_ROWS),
        plan: plan.map((line) => line['QUERY PLAN']).join('\n'),
      };
    });
  }

  #asTenant<T>(tenant: string, work: (tx: Queryable) => Promise<T>): Promise<T> {
    return this.#options.client().tx(
      async (tx) => {
        const { id } = await tx.one<{ id: number | null }>('SELECT tenancy.tenant_number($1) AS id', [
          tenant,
        ]);
        await tx.execute('SET LOCAL ROLE erp_analyst');
        await tx.query('SELECT tenancy.enter($1)', [id]);
        return work(tx);
      },
      { readOnly: true, statementTimeoutMs: 10_000 },
    );
  }

  #listen(response: ServerResponse): void {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    response.write('retry: 500\n\n');
    if (this.#problem)
      response.write(`data: ${JSON.stringify({ kind: 'problem', message: this.#problem })}\n\n`);
    this.#pages.add(response);
    response.on('close', () => this.#pages.delete(response));
  }
}

function json(response: ServerResponse, value: unknown, status = 200): void {
  send(response, status, 'application/json', JSON.stringify(value));
}

function send(response: ServerResponse, status: number, type: string, body: string | Buffer): void {
  response.writeHead(status, {
    'content-type': `${type}; charset=utf-8`,
    'cache-control': 'no-store',
    'content-security-policy': "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'",
    'x-content-type-options': 'nosniff',
  });
  response.end(body);
}
