/** A function that is called with each value. What its promise rejects with is logged, as what it throws. */
export type Listener<T> = (value: T) => unknown;

/** Listeners, in the order in which they were added. */
export class Listeners<T> {
  // Replaced at each change, so that a call in progress is not disturbed.
  private all: readonly Listener<T>[] = [];

  get length(): number {
    return this.all.length;
  }

  /** Adds a function. Returns its undo. */
  add(listener: Listener<T>): () => void {
    const own = (value: T) => listener(value);
    this.all = [...this.all, own];
    return () => {
      this.all = this.all.filter((other) => other !== own);
    };
  }

  /** Calls all, until `ended`. What one throws or rejects with goes to `failed`, and the others are called nevertheless. */
  call(value: T, failed: (error: unknown) => void, ended?: () => boolean): void {
    for (const listener of this.all) {
      if (ended?.()) return;
      try {
        const result = listener(value) as Promise<unknown> | null | undefined;
        if (typeof result?.then === "function") result.then(undefined, failed);
      } catch (error) {
        failed(error);
      }
    }
  }
}
