import { openAsBlob } from 'node:fs';
import { glob, stat } from 'node:fs/promises';
import { join, resolve, sep } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ApiClient, CliError } from './client.ts';
import { bar } from './format.ts';

export interface AddOptions {
  readonly client: ApiClient;
  readonly wait: boolean;
  readonly progress: (line: string) => void;
}

export interface Added {
  readonly name: string;
  readonly documentId?: string;
  readonly outcome: string;
  readonly error?: { readonly code: string; readonly message: string };
}

const PARALLEL = 4;
const POLL_MS = 300;

/** Sends files, folders, globs and URLs, and waits until they are through. */
export async function add(
  sources: readonly string[],
  { client, wait, progress }: AddOptions,
): Promise<Added[]> {
  const { targets, missing } = await expand(sources);
  if (targets.length === 0) {
    throw new CliError(
      'CLI_NOTHING',
      `Nothing matches ${sources.join(' ')}`,
      'Check the paths; quote globs.',
    );
  }
  const nothing = { code: 'CLI_NOTHING', message: 'There is no such file, and nothing matches it' };
  const results: Added[] = missing.map((name) => ({ name, outcome: 'failed', error: nothing }));
  const queue = [...targets];
  await Promise.all(
    Array.from({ length: PARALLEL }, async () => {
      for (let target = queue.shift(); target; target = queue.shift()) {
        results.push(await send(client, target));
        progress(`sending ${bar(results.length, targets.length + missing.length)}`);
      }
    }),
  );
  return wait ? settle(client, results, progress) : results;
}

interface Target {
  readonly name: string;
  readonly url?: string;
  readonly path?: string;
}

/** What the sources stand for, and those that stand for nothing. */
async function expand(sources: readonly string[]): Promise<{ targets: Target[]; missing: string[] }> {
  const targets: Target[] = [];
  const missing: string[] = [];
  for (const source of sources) {
    const before = targets.length;
    if (/^https?:\/\//.test(source)) {
      targets.push({ name: source, url: source });
      continue;
    }
    const found = await stat(source).catch(() => undefined);
    if (found?.isFile()) targets.push({ name: source, path: resolve(source) });
    else {
      // A folder is no pattern, whatever characters are in its name.
      const folder = found?.isDirectory() ? source : '.';
      for await (const path of glob(found?.isDirectory() ? '**/*' : source, { cwd: folder })) {
        if (path.split(sep).some((part) => /^\.[^.]/.test(part))) continue;
        const name = join(folder, path);
        const kind = await stat(resolve(folder, path)).catch(() => undefined);
        // A link that leads nowhere is tried, and its failure shown.
        if (kind === undefined || kind.isFile()) targets.push({ name, path: resolve(folder, path) });
      }
      if (!found && targets.length === before) missing.push(source);
    }
  }
  return { targets, missing };
}

async function send(client: ApiClient, { name, url, path }: Target): Promise<Added> {
  try {
    const answer = await (url === undefined
      ? client.call<{ documents: Added[] }>(`/v1/documents?${new URLSearchParams({ name })}`, {
          method: 'POST',
          body: await openAsBlob(path as string),
          headers: { 'content-type': 'application/octet-stream' },
        })
      : client.post<{ documents: Added[] }>('/v1/documents/from-url', { url }));
    return { ...(answer.documents[0] as Added), name };
  } catch (error) {
    const code = error instanceof CliError ? error.code : 'CLI_FAILED';
    if (code === 'CLI_UNREACHABLE') throw error;
    return {
      name,
      outcome: 'failed',
      error: { code, message: error instanceof Error ? error.message : String(error) },
    };
  }
}

async function settle(
  client: ApiClient,
  added: readonly Added[],
  progress: (line: string) => void,
): Promise<Added[]> {
  const results: Added[] = [];
  let open = [...added];
  for (;;) {
    const still: Added[] = [];
    for (const entry of open) {
      if (entry.documentId === undefined) {
        results.push(entry);
        continue;
      }
      const { status, error } = await client.version(entry.documentId).catch((failure: unknown) => {
        // Deleted meanwhile, for example; the others go on.
        if (!(failure instanceof CliError) || failure.code === 'CLI_UNREACHABLE') throw failure;
        return { status: 'failed', error: failure };
      });
      if (status === 'ready') results.push(entry);
      else if (status === 'failed' && error) results.push({ ...entry, outcome: 'failed', error });
      else still.push(entry);
    }
    progress(`processing ${bar(results.length, added.length)}`);
    if (still.length === 0) return results;
    open = still;
    await sleep(POLL_MS);
  }
}
