import { Command } from 'commander';
import { api } from '../../convex/_generated/api.js';
import type { Doc } from '../../convex/_generated/dataModel.js';
import { withDeployment } from './deployment.ts';
import { line } from './format.ts';

export function runCommand(): Command {
  return new Command('run')
    .description('Adds a workflow and follows it until it ends. Exit code 1 when it does not complete.')
    .argument('<task>', 'what is to be done, in plain words')
    .option('--detach', 'add it and return at once')
    .option('--json', 'print the workflow as JSON')
    .action(async (task: string, options: { detach?: boolean; json?: boolean }) => {
      await withDeployment(async (client) => {
        const id = await client.mutation(api.workflows.create, { task });
        if (options.detach) {
          console.log(options.json ? JSON.stringify({ id }) : id);
          return;
        }
        let shown = '';
        const ended = await new Promise<Doc<'workflows'>>((resolve, reject) => {
          client.onUpdate(
            api.workflows.get,
            { id },
            (workflow) => {
              if (!workflow) return;
              const now = line(workflow);
              if (now !== shown && !options.json) console.log(now);
              shown = now;
              if (!['pending', 'running'].includes(workflow.status)) resolve(workflow);
            },
            reject,
          );
        });
        if (options.json) console.log(JSON.stringify(ended, null, 2));
        if (ended.status !== 'completed') process.exitCode = 1;
      });
    });
}
