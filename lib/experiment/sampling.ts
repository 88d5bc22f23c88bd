/** Whether completions may be drawn now: their times are results, which another notebook would disturb. */

/** By which `reproduce` knows a notebook that has to run alone. */
export const NEEDS_QUIET = 'it is sampled where nothing else runs';

/**
 * Before anything is sampled or scored.
 *
 * @throws Error where `MAMBALAB_SAMPLING` is `refuse`: other notebooks run beside this one.
 */
export function requireQuiet(label: string): void {
  if (process.env.MAMBALAB_SAMPLING !== 'refuse') return;
  throw new Error(`${label}: not on the disk yet, and MAMBALAB_SAMPLING=refuse: ${NEEDS_QUIET}`);
}
