import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

/** One answer of the server to one request. */
export type Reply =
  | { readonly say?: string; readonly call?: { name: string; input: unknown }[]; readonly stop?: string }
  | { readonly status: number; readonly type: string; readonly retryAfter?: number }
  /** The stream breaks after the text: with an error event of this type, or, without one, broken off or ended. */
  | { readonly say: string; readonly breaks: string | 'connection' | 'end' }
  /** Says something, then nothing more. */
  | { readonly say: string; readonly hangs: true };

export interface MessagesRequest {
  readonly model: string;
  readonly system: string;
  readonly messages: { role: string; content: unknown }[];
  readonly tools: { name: string }[];
}

export interface MessagesServer extends AsyncDisposable {
  readonly url: string;
  /** What was asked, oldest first. */
  readonly requests: MessagesRequest[];
  readonly keys: (string | undefined)[];
}

/**
 * A local server that speaks the streaming Messages API, so that the real SDK can be tested without cost.
 *
 * @param reply chooses the answer to the n-th request, counted from 0
 */
export async function startMessagesApi(
  reply: (request: MessagesRequest, index: number) => Reply,
): Promise<MessagesServer> {
  const requests: MessagesRequest[] = [];
  const keys: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    answer(request, response).catch((error) => response.destroy(error));
  });

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = JSON.parse(await text(request)) as MessagesRequest;
    keys.push(request.headers.authorization);
    const index = requests.push(body) - 1;
    const chosen = reply(body, index);
    if ('status' in chosen) {
      response.writeHead(chosen.status, {
        'content-type': 'application/json',
        ...(chosen.retryAfter === undefined ? {} : { 'retry-after': String(chosen.retryAfter) }),
      });
      response.end(JSON.stringify({ type: 'error', error: { type: chosen.type, message: chosen.type } }));
      return;
    }
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    const send = (type: string, data: object) =>
      response.write(`event: ${type}\ndata: ${JSON.stringify({ type, ...data })}\n\n`);
    stream(send, chosen, body, index);
    if ('hangs' in chosen) return;
    if (!('breaks' in chosen) || chosen.breaks === 'end') response.end();
    else if (chosen.breaks === 'connection') response.destroy();
    else {
      send('error', { error: { type: chosen.breaks, message: chosen.breaks } });
      response.end();
    }
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    keys,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function stream(
  send: (type: string, data: object) => void,
  reply: Exclude<Reply, { status: number }>,
  request: MessagesRequest,
  index: number,
): void {
  send('message_start', {
    message: {
      id: `msg_${index}`,
      type: 'message',
      role: 'assistant',
      model: request.model,
      content: [],
      stop_reason: null,
      stop_sequence: null,
      usage: { input_tokens: 100, output_tokens: 1 },
    },
  });
  let block = 0;
  if (reply.say) {
    send('content_block_start', { index: block, content_block: { type: 'text', text: '' } });
    for (const piece of reply.say.match(/.{1,8}/gs) ?? []) {
      send('content_block_delta', { index: block, delta: { type: 'text_delta', text: piece } });
    }
    if ('breaks' in reply || 'hangs' in reply) return;
    send('content_block_stop', { index: block++ });
  }
  const calls = 'call' in reply ? (reply.call ?? []) : [];
  for (const [number, call] of calls.entries()) {
    const start = { type: 'tool_use', id: `toolu_${index}_${number}`, name: call.name, input: {} };
    send('content_block_start', { index: block, content_block: start });
    for (const piece of JSON.stringify(call.input).match(/.{1,16}/gs) ?? []) {
      send('content_block_delta', { index: block, delta: { type: 'input_json_delta', partial_json: piece } });
    }
    send('content_block_stop', { index: block++ });
  }
  const stop = ('stop' in reply && reply.stop) || (calls.length > 0 ? 'tool_use' : 'end_turn');
  send('message_delta', { delta: { stop_reason: stop, stop_sequence: null }, usage: { output_tokens: 20 } });
  send('message_stop', {});
}
