import { randomUUID } from 'node:crypto';

export interface LoggedEvent {
  /** For `Last-Event-ID`. */
  readonly id: string;
  readonly tenant: string;
  readonly document: string;
  readonly data: string;
}

/** The latest events of this process, so that who was cut off for a moment gets what was missed. */
export class EventLog {
  readonly #capacity: number;
  /** Ids of another process, or of before a gap, mean nothing here. */
  #name = randomUUID();
  #events: LoggedEvent[] = [];
  #last = 0;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /** The id of the newest event. */
  get lastId(): string {
    return `${this.#name}.${this.#last}`;
  }

  add(event: Omit<LoggedEvent, 'id'>): LoggedEvent {
    this.#last += 1;
    const logged = { ...event, id: this.lastId };
    this.#events.push(logged);
    if (this.#events.length > this.#capacity) this.#events.shift();
    return logged;
  }

  /** Some events did not come here: nobody can be told what they were. */
  gap(): void {
    this.#name = randomUUID();
    this.#events = [];
    this.#last = 0;
  }

  /** What came after the event with this id; undefined where that is not known any more. */
  since(id: string): readonly LoggedEvent[] | undefined {
    const [name, number] = id.split('.');
    const missed = this.#last - Number(number);
    if (name !== this.#name || !(missed >= 0 && missed <= this.#events.length)) return undefined;
    return this.#events.slice(this.#events.length - missed);
  }
}
