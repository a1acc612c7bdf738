import { defineEnv, integer, secret, url } from '@stackyard/env';
import { z } from 'zod';

/** What the command line and the agent runner read from their environment. */
export const env = defineEnv({
  CONVEX_SELF_HOSTED_URL: url({ protocols: ['http', 'https'] }).describe(
    'Where the Convex deployment answers',
  ),
  CONVEX_SELF_HOSTED_ADMIN_KEY: secret(z.string()).describe(
    'Admin key of that deployment; `stackyard convex admin-key` issues one',
  ),
  ANTHROPIC_API_KEY: secret(z.string().optional()).describe(
    'Key of the model service. Without one a scripted model plays a recorded workflow',
  ),
  ANTHROPIC_MODEL: z.string().default('claude-sonnet-5-5').describe('Model that does the steps'),
  ANTHROPIC_BASE_URL: url({ protocols: ['http', 'https'] })
    .optional()
    .describe('Another service that speaks the Messages API'),
  ANTHROPIC_PRICE: z
    .string()
    .regex(/^\d+(\.\d+)?\/\d+(\.\d+)?$/, 'must be input/output, for example 3/15')
    .optional()
    .describe('US dollars per million input and output tokens, as 3/15; unset, cost is not shown'),
  AGENT_CONCURRENCY: integer({ min: 1, max: 64 })
    .default(2)
    .describe('Workflows that one runner works on at a time'),
  AGENT_LEASE_SECONDS: integer({ min: 2, max: 3600 })
    .default(30)
    .describe('Silence after which another runner takes a workflow over'),
  AGENT_MAX_ROUNDS: integer({ min: 1, max: 20 })
    .default(3)
    .describe('Rounds of coding and review before giving up'),
  AGENT_WORKSPACES: z
    .string()
    .default('data/workspaces')
    .describe('Folder for the files that agents write, one folder a workflow'),
});
