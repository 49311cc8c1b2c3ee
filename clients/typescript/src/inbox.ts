/** Handles items one after another. Only an item that takes time makes the next ones wait. */
export class Inbox<T> {
  private waiting: T[] = [];
  private held = 0;

  /** `handle` returns a promise for an item that takes time. It must not throw or reject. */
  constructor(private readonly handle: (item: T) => void | Promise<void>) {}

  /** Adds an item. It is handled before this returns, unless others wait. */
  add(item: T): void {
    if (this.held > 0) this.waiting.push(item);
    else this.run(item);
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
    while (this.held === 0 && this.waiting.length > 0) {
      const batch = this.waiting;
      this.waiting = [];
      for (let i = 0; i < batch.length; i += 1) {
        if (this.held > 0) {
          this.waiting = batch.slice(i).concat(this.waiting);
          break;
        }
        this.run(batch[i] as T);
      }
    }
  }
}
