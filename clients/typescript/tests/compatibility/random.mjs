// A generator of random numbers with a seed, so that a failure can be repeated.

/** Returns a generator (mulberry32) with the choices that tests make. */
export function seeded(seed) {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  /** A whole number below a bound. */
  const below = (bound) => Math.floor(next() * bound);
  return {
    below,
    pick: (items) => items[below(items.length)],
    chance: (probability) => next() < probability,
  };
}
