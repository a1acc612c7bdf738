import type { Backend, Claim } from './backend.ts';
import type { Journal, Session } from './workflow.ts';

/** Text goes out at this pace: often enough to watch, seldom enough to be cheap. */
const flushMs = 150;

/** The journal of one claim, kept in Convex. */
export function convexJournal(backend: Backend, claim: Claim): Journal {
  return {
    finished: (step) => backend.finished(claim, step),
    artifact: (step, path, text) => backend.putArtifact(claim, step, path, text),
    async begin(step, agentType, input): Promise<Session> {
      const { session, previous } = await backend.beginSession(claim, step, agentType, input);
      const text = new TextSender((index, piece) => backend.appendText(claim, session, index, piece));
      return {
        id: session,
        previous,
        say: (delta) => text.add(delta),
        complete: async (result) => {
          await text.flush();
          await backend.completeSession(claim, session, result);
        },
      };
    },
  };
}

/** Sends text in pieces, one after the other. */
class TextSender {
  readonly #send: (index: number, piece: string) => Promise<void>;
  #waiting = '';
  #index = 0;
  #timer: NodeJS.Timeout | undefined;
  #sending: Promise<void> = Promise.resolve();

  constructor(send: (index: number, piece: string) => Promise<void>) {
    this.#send = send;
  }

  add(delta: string): void {
    this.#waiting += delta;
    this.#timer ??= setTimeout(() => void this.flush(), flushMs);
  }

  /** Resolves when all text so far is out. Partial text is for watching: a piece that fails is dropped. */
  flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const piece = this.#waiting;
    this.#waiting = '';
    if (piece !== '') {
      const index = this.#index++;
      this.#sending = this.#sending.then(() => this.#send(index, piece)).catch(() => {});
    }
    return this.#sending;
  }
}
