/** Functions that are called with each value, in the order in which they were added. */
export class Listeners<T> {
  // Replaced at each change, so that a call in progress is not disturbed.
  private all: readonly ((value: T) => void)[] = [];

  get length(): number {
    return this.all.length;
  }

  /** Adds a function. Returns its undo. */
  add(listener: (value: T) => void): () => void {
    const own = (value: T) => listener(value);
    this.all = [...this.all, own];
    return () => {
      this.all = this.all.filter((other) => other !== own);
    };
  }

  /** Calls all. What one throws goes to `failed`, and the others are called nevertheless. */
  call(value: T, failed: (error: unknown) => void): void {
    for (const listener of this.all) {
      try {
        listener(value);
      } catch (error) {
        failed(error);
      }
    }
  }
}
