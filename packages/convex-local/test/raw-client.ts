import { randomUUID } from 'node:crypto';
import WebSocket from 'ws';

export interface Message {
  readonly type: string;
  readonly [field: string]: unknown;
}

/** A WebSocket that speaks the protocol by hand. */
export class RawClient {
  readonly #socket: WebSocket;
  readonly #messages: Message[] = [];
  readonly #waiting: Array<() => void> = [];
  readonly closed: Promise<number>;

  constructor(url: string) {
    this.#socket = new WebSocket(`${url.replace('http', 'ws')}/api/1.48.0/sync`);
    this.closed = new Promise((resolve) => this.#socket.on('close', (code) => resolve(code)));
    this.#socket.on('error', () => {});
    this.#socket.on('message', (data) => {
      this.#messages.push(JSON.parse(String(data)) as Message);
      for (const wake of this.#waiting.splice(0)) wake();
    });
  }

  async connect(sessionId: string = randomUUID()): Promise<this> {
    await new Promise((resolve) => this.#socket.once('open', resolve));
    this.send({ type: 'Connect', sessionId, connectionCount: 0, lastCloseReason: null, clientTs: 0 });
    return this;
  }

  send(message: unknown): void {
    const asIs = typeof message === 'string' || message instanceof Uint8Array;
    this.#socket.send(asIs ? message : JSON.stringify(message));
  }

  async next(type?: string): Promise<Message> {
    for (;;) {
      const message = this.#messages.shift();
      if (message !== undefined && (type === undefined || message.type === type)) return message;
      if (message === undefined) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  close(): void {
    this.#socket.close();
  }
}
