/** From the scores of a completion's steps to one. */

/** How step scores become a completion's: that of the last step, the least, the product, the mean. */
export type Reduction = 'last' | 'min' | 'prod' | 'mean';

/** Every reduction. */
export const reductions: readonly Reduction[] = ['last', 'min', 'prod', 'mean'];

/**
 * The score of a completion from those of its steps. The paper takes the last, the default: "the final
 * reward" (section 4.2); the others are those of Snell et al. 2024 and Lightman et al. 2023.
 *
 * @returns 0, the least, for a completion without steps: nothing in it can be right.
 * @throws RangeError for a reduction that is not known.
 */
export function reduceSteps(steps: readonly number[], reduction: Reduction = 'last'): number {
  if (!reductions.includes(reduction)) {
    const found = JSON.stringify(reduction);
    throw new RangeError(`reduceSteps: expected ${reductions.join(', ')}, got ${found}`);
  }
  const last = steps.at(-1);
  if (last === undefined) return 0;
  switch (reduction) {
    case 'min':
      return steps.reduce((least, score) => Math.min(least, score));
    case 'prod':
      return steps.reduce((product, score) => product * score);
    case 'mean':
      return steps.reduce((sum, score) => sum + score) / steps.length;
    default:
      return last;
  }
}
