/** Hands one thing to one holder at a time, in the order of asking. */
export class Turns<Holder> {
  #holder: Holder | undefined;
  readonly #waiting: { holder: Holder; start: () => void; refuse: (reason: unknown) => void }[] = [];
  readonly #onContention: (holder: Holder) => void;

  /** @param onContention called with the holder when somebody else begins to wait for it. */
  constructor(onContention: (holder: Holder) => void = () => {}) {
    this.#onContention = onContention;
  }

  get contended(): boolean {
    return this.#waiting.length > 0;
  }

  isHeldBy(holder: Holder): boolean {
    return this.#holder === holder;
  }

  /** Resolves when the turn is the holder's; at once when it already is. Rejects when {@link refuse} takes it out. */
  take(holder: Holder): Promise<void> | undefined {
    if (this.#holder === holder) return undefined;
    if (this.#holder === undefined) {
      this.#holder = holder;
      return undefined;
    }
    const turn = new Promise<void>((start, refuse) => this.#waiting.push({ holder, start, refuse }));
    this.#onContention(this.#holder);
    return turn;
  }

  release(holder: Holder): void {
    if (this.#holder !== holder) return;
    const next = this.#waiting.shift();
    this.#holder = next?.holder;
    next?.start();
  }

  /** Takes a waiting holder out of the line. */
  refuse(holder: Holder, reason: unknown): boolean {
    const index = this.#waiting.findIndex((entry) => entry.holder === holder);
    if (index === -1) return false;
    this.#waiting.splice(index, 1)[0]?.refuse(reason);
    return true;
  }
}
