const FIRST = 250;
const FACTOR = 1.7;
const LONGEST = 10_000;

/**
 * Returns the milliseconds before the next attempt, after `failures` attempts in a row failed. It is any time up to the
 * bound (full jitter), so that a server that comes back is not met by all of its clients in the same moment.
 */
export function backoff(failures: number, random: () => number): number {
  // The exponent is bounded, because the power of an hour of failures is infinite.
  const bound = Math.min(LONGEST, FIRST * FACTOR ** Math.min(failures, 50));
  return bound * random();
}
