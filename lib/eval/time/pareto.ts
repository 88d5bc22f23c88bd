/** What no other point beats. */

/** What is paid and what it gives. */
export interface Trade {
  readonly seconds: number;
  readonly accuracy: number;
}

/**
 * The points that no other point beats: none is as good for less time, none better for as much. In the
 * order of time; of equal points the first.
 *
 * @throws RangeError where a number is NaN.
 */
export function paretoFront<T extends Trade>(points: readonly T[]): T[] {
  for (const [i, { seconds, accuracy }] of points.entries()) {
    if (Number.isNaN(seconds) || Number.isNaN(accuracy)) {
      throw new RangeError(
        `paretoFront: point ${i} has seconds ${seconds} and accuracy ${accuracy}`,
      );
    }
  }
  const order = points.map((p, i) => [p, i] as const);
  order.sort(([a, i], [b, j]) => a.seconds - b.seconds || b.accuracy - a.accuracy || i - j);
  const front: T[] = [];
  for (const [point] of order) {
    const last = front.at(-1);
    if (!last || point.accuracy > last.accuracy) front.push(point);
  }
  return front;
}
