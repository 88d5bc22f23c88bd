import type { Draw } from './draw.js';

/** How many steps a problem takes: easy one or two, medium two or three, hard three or more. */
export type Difficulty = 'easy' | 'medium' | 'hard';

/** A problem before it has an id. Every calculation in `steps` is written out, as `3 * 4 = 12`. */
export interface Drawn {
  readonly question: string;
  readonly steps: readonly string[];
  /** What the last step arrives at: an integer that is not negative. */
  readonly answer: number;
}

/** Draws a problem of one kind. */
export type Template = (draw: Draw) => Drawn;
