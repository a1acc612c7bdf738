import { Command } from 'commander';
import { api } from '../../convex/_generated/api.js';
import { withDeployment, workflowId } from './deployment.ts';

export function retryCommand(): Command {
  return new Command('retry')
    .description('Puts a failed or cancelled workflow back in the queue; finished steps are kept.')
    .argument('<id>', 'a workflow, as `agent list` shows it')
    .action(async (id: string) => {
      await withDeployment((client) => client.mutation(api.workflows.retry, { id: workflowId(id) }));
      console.log(`${id}  queued`);
    });
}
