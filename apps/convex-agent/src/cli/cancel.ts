import { Command } from 'commander';
import { api } from '../../convex/_generated/api.js';
import { withDeployment, workflowId } from './deployment.ts';

export function cancelCommand(): Command {
  return new Command('cancel')
    .description('Stops a workflow that has not ended.')
    .argument('<id>', 'a workflow, as `agent list` shows it')
    .action(async (id: string) => {
      await withDeployment((client) => client.mutation(api.workflows.cancel, { id: workflowId(id) }));
      console.log(`${id}  cancelled`);
    });
}
