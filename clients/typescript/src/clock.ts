/** The time, and one-shot timers. Tests give one that stands still until they move it. */
export interface Clock {
  /** Milliseconds since any fixed moment. Never goes back. */
  now(): number;
  /** Calls `work` after `ms` milliseconds. Returns a function that prevents it. */
  after(ms: number, work: () => void): () => void;
}

/** The longest delay of the platform's timers; a longer one would fire immediately. */
const LONGEST = 0x7fffffff;

/** The platform's clock. */
export const systemClock: Clock = {
  now: () => performance.now(),
  after(ms, work) {
    const timer = setTimeout(work, Math.min(ms, LONGEST));
    return () => clearTimeout(timer);
  },
};
