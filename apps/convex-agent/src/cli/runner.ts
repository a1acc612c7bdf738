import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { Command } from 'commander';
import { Backend } from '../agent/backend.ts';
import { runRunner } from '../agent/runner.ts';
import { env } from '../env.ts';
import { chooseModel } from '../model/choose.ts';

export function runnerCommand(): Command {
  return new Command('runner')
    .description('Works through workflows until it is stopped. Several runners share the work.')
    .action(async () => {
      const values = env.parse(process.env);
      const model = chooseModel(values);
      const stop = new AbortController();
      for (const signal of ['SIGINT', 'SIGTERM'] as const) {
        process.once(signal, () => stop.abort(new Error('The runner was stopped.')));
      }
      await using backend = new Backend({
        url: values.CONVEX_SELF_HOSTED_URL,
        adminKey: values.CONVEX_SELF_HOSTED_ADMIN_KEY,
        log: (line) => console.log(line),
      });
      const name = `${hostname()}-${process.pid}-${randomBytes(3).toString('hex')}`;
      console.log(`runner ${name}, model ${model.name}`);
      if (model.scripted) {
        console.log(
          'No ANTHROPIC_API_KEY: every workflow plays the same recording. Set the key in .env for real work.',
        );
      }
      await runRunner({
        backend,
        model,
        name,
        workspaces: resolve(values.AGENT_WORKSPACES),
        maxRounds: values.AGENT_MAX_ROUNDS,
        leaseMs: values.AGENT_LEASE_SECONDS * 1000,
        concurrency: values.AGENT_CONCURRENCY,
        log: (line) => console.log(line),
        signal: stop.signal,
      });
    });
}
