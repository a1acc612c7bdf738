#!/usr/bin/env node
/** Entry point of `ingest`. */
import { Command, CommanderError } from 'commander';
import { add } from './add.ts';
import { ApiClient, CliError } from './client.ts';
import { formatHit } from './format.ts';

const program = new Command('ingest')
  .description('Puts documents in and finds passages in them')
  .option('--url <url>', 'address of the API', process.env.INGESTION_URL ?? 'http://127.0.0.1:4100')
  .option('--json', 'print JSON')
  .configureOutput({ outputError: (text, write) => write(text) })
  .exitOverride();

// The key comes by the environment only: arguments are visible to every process of the machine.
const client = () => new ApiClient(program.opts().url, process.env.INGESTION_API_KEY);
const isJson = () => program.opts().json === true;
const print = (value: unknown, text: () => string) =>
  console.log(isJson() ? JSON.stringify(value, null, 2) : text());

program
  .command('add')
  .description('send files, folders, globs or URLs')
  .argument('<source...>')
  .option('--no-wait', 'do not wait until they are searchable')
  .action(async (sources: string[], { wait }: { wait: boolean }) => {
    const live = process.stderr.isTTY === true && !isJson();
    const progress = (line: string) => live && process.stderr.write(`\r\x1b[K${line}`);
    const added = await add(sources, { client: client(), wait, progress });
    if (live) process.stderr.write('\r\x1b[K');
    const failed = added.filter(({ error }) => error);
    print(added, () => {
      const counts = new Map<string, number>();
      for (const { outcome } of added) counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
      const lines = failed.map(({ name, error }) => `failed  ${name}: ${error?.message} (${error?.code})`);
      return [...lines, [...counts].map(([outcome, count]) => `${count} ${outcome}`).join(', ')].join('\n');
    });
    if (failed.length > 0) process.exitCode = 1;
  });

program
  .command('search')
  .description('find passages')
  .argument('<question...>')
  .option('-n, --limit <number>', 'passages at most', '10')
  .option('--mode <mode>', 'hybrid, vector or text', 'hybrid')
  .action(async (words: string[], { limit, mode }: { limit: string; mode: string }) => {
    const { hits, tookMs } = await client().search(words.join(' '), Number(limit), mode);
    const colour = process.stdout.isTTY === true && process.env.NO_COLOR === undefined;
    print(hits, () =>
      [...hits.map((hit) => formatHit(hit, colour)), `${hits.length} passages in ${tookMs} ms`].join('\n'),
    );
  });

program
  .command('status')
  .description('what waits, runs and failed')
  .action(async () => {
    const { counts } = await client().call<{ counts: Record<string, number> }>('/v1/documents?limit=1');
    const work = await client().call<Work>('/v1/work');
    print({ counts, ...work }, () =>
      [
        `documents  ${list(counts)}`,
        `jobs       ${list(work.jobs)}${work.paused ? ' (paused)' : ''}`,
        `queue      ${work.queue}`,
        `storage    ${work.storage}`,
        ...work.models.map(
          ({ model, dimensions, state }) => `model      ${model}, ${dimensions} dimensions, ${state}`,
        ),
      ].join('\n'),
    );
  });

program
  .command('reindex')
  .description('read every document anew, or move to another model; search goes on meanwhile')
  .option('--model <name>', 'build the vectors of this model beside the active ones, then switch')
  .option('--dimensions <number>', 'numbers of its vectors')
  .action(async ({ model, dimensions }: { model?: string; dimensions?: string }) => {
    const answer = await client().post<{ jobs: number }>('/v1/work/reindex', {
      ...(model !== undefined && { model }),
      ...(dimensions !== undefined && { dimensions: Number(dimensions) }),
    });
    const then = model === undefined ? '' : '; search switches when all are done';
    print(answer, () => `${answer.jobs} documents are queued${then}`);
  });

program
  .command('dead')
  .description('documents that were given up')
  .option('--redrive [id...]', 'try them again: all, or those that are named')
  .action(async ({ redrive }: { redrive?: true | string[] }) => {
    if (redrive) {
      const ids = redrive === true ? {} : { ids: redrive };
      const answer = await client().post<{ redriven: number }>('/v1/dead-letters/redrive', ids);
      print(answer, () => `${answer.redriven} are tried again`);
      return;
    }
    const { deadLetters } = await client().call<{ deadLetters: Dead[] }>('/v1/dead-letters');
    print(deadLetters, () =>
      deadLetters.length === 0
        ? 'nothing was given up'
        : deadLetters
            .map(
              ({ id, name, message, code, attempts }) =>
                `${id}  ${name}: ${message} (${code}, ${attempts} ${attempts === 1 ? 'attempt' : 'attempts'})`,
            )
            .join('\n'),
    );
  });

interface Work {
  readonly paused: boolean;
  readonly queue: string;
  readonly storage: string;
  readonly jobs: Record<string, number>;
  readonly models: readonly { model: string; dimensions: number; state: string }[];
}

interface Dead {
  readonly id: string;
  readonly name: string;
  readonly message: string;
  readonly code: string;
  readonly attempts: number;
}

function list(counts: Record<string, number>): string {
  return (
    Object.entries(counts)
      .map(([state, count]) => `${count} ${state}`)
      .join(', ') || 'none'
  );
}

try {
  await program.parseAsync();
} catch (error) {
  // Commander has said already what is wrong with the call, or shown the help.
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 2;
  else if (error instanceof CliError) {
    console.error(`${error.message} (${error.code})\n${error.hint}`);
    process.exitCode = 1;
  } else throw error;
}
