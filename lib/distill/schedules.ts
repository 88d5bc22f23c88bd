/** Learning rates by step, counted from 0. */

/** A learning rate for every step. */
export type Schedule = (step: number) => number;

/** Sizes of {@link wsd}. */
export interface WsdOptions {
  /** The learning rate between warm-up and decay. */
  peak: number;
  /** Steps of the whole run. */
  steps: number;
  /** Steps of warm-up; below 1 a fraction of `steps`. */
  warmup: number;
  /** Steps of decay; below 1 a fraction of `steps`. */
  decay: number;
  /** The learning rate that the decay reaches at step `steps`; default 0. */
  final?: number;
}

/** Sizes of {@link cosine}. */
export interface CosineOptions extends Omit<WsdOptions, 'warmup' | 'decay'> {
  /** Steps of warm-up; below 1 a fraction of `steps`. Default 0. */
  warmup?: number;
}

function checkRate(name: string, field: string, value: number): void {
  if (!(value >= 0 && Number.isFinite(value))) {
    throw new RangeError(`${name}: ${field} must be a number from 0, got ${value}`);
  }
}

function checkSteps(name: string, steps: number): void {
  if (!Number.isSafeInteger(steps) || steps < 1) {
    throw new RangeError(`${name}: steps must be a positive integer, got ${steps}`);
  }
}

/** A number of steps, given as such or as a fraction of all. */
function part(name: string, field: string, value: number, steps: number): number {
  if (!(value >= 0 && value <= steps) || (value >= 1 && !Number.isInteger(value))) {
    throw new RangeError(
      `${name}: ${field} must be a fraction below 1 or whole steps up to ${steps}, got ${value}`,
    );
  }
  return value < 1 ? Math.round(value * steps) : value;
}

/** The same rate at every step. */
export function constant(rate: number): Schedule {
  checkRate('constant', 'rate', rate);
  return () => rate;
}

/**
 * Warm-up, stable, decay (Hu et al. 2024, "MiniCPM", section 4): linear up to `peak` at step `warmup`,
 * then `peak`, then linear over the last `decay` steps down to `final`.
 *
 * @throws RangeError where warm-up and decay are longer than the run.
 */
export function wsd({ peak, steps, warmup, decay, final = 0 }: WsdOptions): Schedule {
  checkRate('wsd', 'peak', peak);
  checkRate('wsd', 'final', final);
  checkSteps('wsd', steps);
  const up = part('wsd', 'warmup', warmup, steps);
  const down = part('wsd', 'decay', decay, steps);
  if (up + down > steps) {
    throw new RangeError(
      `wsd: warmup (${up}) and decay (${down}) together must not exceed steps (${steps})`,
    );
  }
  return (step) => {
    if (step < up) return (peak * step) / up;
    const left = steps - step;
    if (left >= down) return peak;
    return final + (peak - final) * Math.max(0, left / down);
  };
}

/** Linear up to `peak` at step `warmup`, then half a cosine down to `final` at step `steps`. */
export function cosine({ peak, steps, warmup = 0, final = 0 }: CosineOptions): Schedule {
  checkRate('cosine', 'peak', peak);
  checkRate('cosine', 'final', final);
  checkSteps('cosine', steps);
  const up = part('cosine', 'warmup', warmup, steps);
  return (step) => {
    if (step < up) return (peak * step) / up;
    const done = up === steps ? 1 : Math.min(1, (step - up) / (steps - up));
    return final + ((peak - final) * (1 + Math.cos(Math.PI * done))) / 2;
  };
}
