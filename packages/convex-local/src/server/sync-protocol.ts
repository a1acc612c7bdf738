import { z } from 'zod';
import { parseJson } from './http-body.ts';

const u32 = z.number().int().nonnegative();
const args = z.array(z.record(z.string(), z.unknown())).max(1);

const modification = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('Add'),
    queryId: u32,
    udfPath: z.string().max(1024),
    args,
    journal: z.string().nullish(),
    componentPath: z.string().optional(),
  }),
  z.object({ type: z.literal('Remove'), queryId: u32 }),
]);

const call = {
  requestId: u32,
  udfPath: z.string().max(1024),
  args,
  componentPath: z.string().optional(),
};

const message = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('Connect'),
    sessionId: z.string().max(64),
    maxObservedTimestamp: z.string().max(16).optional(),
  }),
  z.object({
    type: z.literal('Authenticate'),
    tokenType: z.enum(['Admin', 'User', 'None']),
    value: z.string().optional(),
    baseVersion: u32,
    impersonating: z.record(z.string(), z.unknown()).optional(),
  }),
  z.object({
    type: z.literal('ModifyQuerySet'),
    baseVersion: u32,
    newVersion: u32,
    modifications: z.array(modification).max(10_000),
  }),
  z.object({ type: z.literal('Mutation'), ...call }),
  z.object({ type: z.literal('Action'), ...call }),
  z.object({ type: z.literal('Event'), eventType: z.string(), event: z.unknown() }),
]);

export type ClientMessage = z.infer<typeof message>;

/** Reads a client's frame; throws where it is none of the protocol. */
export function clientMessage(text: string): ClientMessage {
  const result = message.safeParse(parseJson(text));
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new Error(`Received an invalid message: ${issue?.path.join('.')}: ${issue?.message}`);
}
