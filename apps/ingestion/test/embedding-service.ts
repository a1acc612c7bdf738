import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Gets the response to answer and the number of texts. Without an answer the service stalls. */
export type EmbeddingAnswer = (response: ServerResponse, texts: number) => void;

export interface EmbeddingService extends AsyncDisposable {
  readonly baseUrl: string;
  answer: EmbeddingAnswer;
}

/** Speaks OpenAI's protocol, and answers as the test says. */
export async function startEmbeddingService(answer: EmbeddingAnswer): Promise<EmbeddingService> {
  const server = createServer(async (request, response) => {
    let text = '';
    for await (const piece of request) text += piece;
    service.answer(response, JSON.parse(text).input.length);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const service: EmbeddingService = {
    baseUrl: `http://127.0.0.1:${port}/v1`,
    answer,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
    },
  };
  return service;
}

/** An answer with these vectors, as JSON numbers. */
export function vectors(data: readonly unknown[]): EmbeddingAnswer {
  return (response) => response.setHeader('content-type', 'application/json').end(JSON.stringify({ data }));
}
