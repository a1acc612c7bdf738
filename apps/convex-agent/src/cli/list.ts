import { Command, InvalidArgumentError, Option } from 'commander';
import { api } from '../../convex/_generated/api.js';
import type { Doc } from '../../convex/_generated/dataModel.js';
import { withDeployment } from './deployment.ts';
import { line } from './format.ts';

function count(text: string): number {
  if (/^[1-9]\d{0,3}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('Give a number from 1 to 9999.');
}

const statuses = ['pending', 'running', 'completed', 'failed', 'cancelled'] as const;

export function listCommand(): Command {
  return new Command('list')
    .description('Lists workflows, the newest first.')
    .addOption(new Option('--status <status>', 'only those of one status').choices(statuses))
    .option('--limit <n>', 'how many', count, 20)
    .option('--json', 'print JSON')
    .action(async (options: { status?: Doc<'workflows'>['status']; limit: number; json?: boolean }) => {
      await withDeployment(async (client) => {
        const { page } = await client.query(api.workflows.list, {
          ...(options.status ? { status: options.status } : {}),
          paginationOpts: { numItems: options.limit, cursor: null },
        });
        if (options.json) console.log(JSON.stringify(page, null, 2));
        else console.log(page.map(line).join('\n') || 'No workflows yet. agent run "<task>" adds one.');
      });
    });
}
