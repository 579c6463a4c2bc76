/** The logarithmic scale of the chart of runs. */

/** Return the lines of the axis: powers of ten, up to the first that holds every value. */
export function levelsOf(values: number[]) {
  const most = Math.max(10, ...values);
  const levels = [1];
  while (levels[levels.length - 1] < most) {
    levels.push(levels[levels.length - 1] * 10);
  }
  return levels;
}

/** Return how high a value stands, in percent; nothing has no height, and one is seen. */
export function heightOf(value: number, levels: number[]) {
  return value <= 0 ? 0 : (100 * (Math.log10(value) + 1)) / levels.length;
}

/** Return a power of ten in few characters, as `100`, `1k` or `10k`. */
export function short(level: number) {
  if (level >= 1_000_000) {
    return `${level / 1_000_000}M`;
  }
  return level >= 1000 ? `${level / 1000}k` : String(level);
}
