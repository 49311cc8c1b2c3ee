/** Handles items one after another. Only an item that takes time makes the next ones wait. */
export class Inbox<T> {
  private readonly waiting: (T | undefined)[] = [];
  /** The place of the next item in `waiting`. */
  private at = 0;
  private held = 0;
  private total = 0;

  /** `handle` returns a promise for an item that takes time. It must not throw or reject. */
  constructor(
    private readonly handle: (item: T) => void | Promise<void>,
    private readonly costOf: (item: T) => number = () => 1,
  ) {}

  /** The sum of the costs of the items that wait. */
  get cost(): number {
    return this.total;
  }

  /** Adds an item. It is handled before this returns, unless others wait. */
  add(item: T): void {
    if (this.held === 0 && this.at === this.waiting.length) return this.run(item);
    this.waiting.push(item);
    this.total += this.costOf(item);
  }

  /** Keeps items back until the returned function is called. */
  hold(): () => void {
    this.held += 1;
    return () => {
      this.held -= 1;
      this.drain();
    };
  }

  private run(item: T): void {
    const taking = this.handle(item);
    if (taking !== undefined) void taking.then(this.hold());
  }

  private drain(): void {
    const { waiting } = this;
    while (this.held === 0 && this.at < waiting.length) {
      const item = waiting[this.at] as T;
      waiting[this.at] = undefined;
      this.at += 1;
      this.total -= this.costOf(item);
      this.run(item);
    }
    // Only when they are half of all, so that an item costs the same however many wait.
    if (this.at > 0 && this.at >= waiting.length / 2) {
      waiting.splice(0, this.at);
      this.at = 0;
    }
  }
}
