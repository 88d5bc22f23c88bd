import { PALETTE } from './theme.js';

/** Colours by series, in the order in which series first appear; `chosen` ones before the palette's. */
export function seriesColors(
  names: Iterable<string>,
  chosen: Readonly<Record<string, string>> = {},
): Map<string, string> {
  const colors = new Map<string, string>();
  for (const name of names) {
    if (!colors.has(name)) {
      const usual = PALETTE[colors.size % PALETTE.length] as string;
      colors.set(name, Object.hasOwn(chosen, name) ? (chosen[name] as string) : usual);
    }
  }
  return colors;
}

/**
 * Moves heights as little as possible, by least squares, so that neighbours are at least `gap`
 * apart and stay in order: labels that would overlap step aside.
 */
export function spreadLabels(heights: readonly number[], gap: number): number[] {
  const order = heights.map((_, i) => i).sort((a, b) => (heights[a] ?? 0) - (heights[b] ?? 0));
  // With the gaps taken out the constraint is "not decreasing": pooling adjacent violators solves it.
  const blocks: { sum: number; count: number }[] = [];
  order.forEach((index, rank) => {
    let block = { sum: (heights[index] ?? 0) - rank * gap, count: 1 };
    let last = blocks.at(-1);
    while (last && last.sum / last.count > block.sum / block.count) {
      block = { sum: last.sum + block.sum, count: last.count + block.count };
      blocks.pop();
      last = blocks.at(-1);
    }
    blocks.push(block);
  });
  const pooled = blocks.flatMap(({ sum, count }) => new Array<number>(count).fill(sum / count));
  const spread = new Array<number>(heights.length);
  order.forEach((index, rank) => {
    spread[index] = (pooled[rank] ?? 0) + rank * gap;
  });
  return spread;
}
