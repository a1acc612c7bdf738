import { Command } from 'commander';
import { api } from '../../convex/_generated/api.js';
import { CommandError, withDeployment, workflowId } from './deployment.ts';
import { line } from './format.ts';

export function showCommand(): Command {
  return new Command('show')
    .description('Shows a workflow with its sessions and files.')
    .argument('<id>', 'a workflow, as `agent list` shows it')
    .option('--json', 'print JSON')
    .action(async (text: string, options: { json?: boolean }) => {
      await withDeployment(async (client) => {
        const id = workflowId(text);
        const workflow = await client.query(api.workflows.get, { id });
        if (!workflow) throw new CommandError(`There is no workflow ${id}.`, 'agent list shows the ids.');
        const sessions = await client.query(api.agentSessions.list, { workflowId: id });
        if (options.json) {
          console.log(JSON.stringify({ workflow, sessions }, null, 2));
          return;
        }
        console.log(line(workflow));
        if (workflow.error) console.log(`error: ${workflow.error}`);
        console.log('\nsessions');
        for (const session of sessions) {
          const { startedAt, completedAt } = session.metadata;
          const seconds =
            completedAt === undefined ? '' : `${((completedAt - startedAt) / 1000).toFixed(1)} s`;
          console.log(
            `  ${session.step.padEnd(12)}${session.status.padEnd(11)}${seconds.padStart(8)}  ${session.error ?? ''}`.trimEnd(),
          );
        }
        console.log('\nfiles');
        for (const path of workflow.artifacts) console.log(`  ${path}`);
      });
    });
}
