/** Where the points of a line lie in its box. */

import type { RosterPoint } from "../../lib/openapi";
import type { Kind } from "../../words/records";

/** A run in the box, in percent from the left and the bottom. */
export interface Placed {
  point: RosterPoint;
  value: number;
  x: number;
  y: number;
}

/** Return a round number that no value exceeds, for the top of the axis. */
export function topOf(values: number[]) {
  const most = Math.max(1, ...values);
  const power = 10 ** Math.floor(Math.log10(most));
  const step = [1, 2, 5, 10].find((one) => one * power >= most) ?? 10;
  return step * power;
}

/** Place the points by when their runs were applied. */
export function place(points: RosterPoint[], kind: Kind): Placed[] {
  const top = topOf(points.map(({ active }) => active[kind] ?? 0));
  const moments = points.map(({ at }) => Date.parse(at));
  const [first, last] = [Math.min(...moments), Math.max(...moments)];
  return points.map((point, index) => {
    const value = point.active[kind] ?? 0;
    const x = last === first ? 50 : (100 * (moments[index] - first)) / (last - first);
    return { point, value, x, y: (100 * value) / top };
  });
}

/** Return the line as steps: a roster is as it is until the next run. */
export function stepsOf(placed: Placed[]) {
  return placed
    .map(({ x, y }, index) => {
      const at = `${x.toFixed(2)},${(100 - y).toFixed(2)}`;
      return index === 0 ? at : `${x.toFixed(2)},${(100 - placed[index - 1].y).toFixed(2)} ${at}`;
    })
    .join(" ");
}
