import { ConvexClient } from 'convex/browser';
import { ConvexError } from 'convex/values';
import type { Id } from '../../convex/_generated/dataModel.js';
import { env } from '../env.ts';

/** The command could not be carried out; the message says why. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
  readonly code = 'AGENT_COMMAND_FAILED';
  readonly hint: string;

  constructor(message: string, hint: string, cause?: unknown) {
    super(message, { cause });
    this.hint = hint;
  }
}

/** Runs `body` with a client of the deployment that the environment names, and closes it. */
export async function withDeployment<Value>(body: (client: ConvexClient) => Promise<Value>): Promise<Value> {
  const { CONVEX_SELF_HOSTED_URL } = env.parse(process.env);
  await reach(CONVEX_SELF_HOSTED_URL);
  const client = new ConvexClient(CONVEX_SELF_HOSTED_URL, { logger: false });
  try {
    return await body(client);
  } catch (error) {
    const data = error instanceof ConvexError ? (error.data as { message?: string } | null) : null;
    if (data?.message)
      throw new CommandError(data.message, 'agent show <id> tells how the workflow stands.', error);
    if (error instanceof Error && /ArgumentValidationError|not match.*Id/s.test(error.message)) {
      throw new CommandError('That is not the id of a workflow.', 'agent list shows the ids.', error);
    }
    throw error;
  } finally {
    await client.close();
  }
}

/** The client waits for a deployment for ever: a command says that there is none. */
async function reach(url: string): Promise<void> {
  try {
    await fetch(new URL('/version', url), { signal: AbortSignal.timeout(5_000) });
  } catch (error) {
    throw new CommandError(
      `The Convex deployment at ${url} does not answer.`,
      'Start the stack with: ./pnpmw turbo dev --filter convex-agent',
      error,
    );
  }
}

export function workflowId(text: string): Id<'workflows'> {
  return text as Id<'workflows'>; // the deployment checks it
}
