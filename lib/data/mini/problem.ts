import type { Draw } from '../synthetic/draw.js';

/** How hard a problem is: about as many calculations as its level says. */
export type Level = 1 | 2 | 3 | 4 | 5;

export const levels: readonly Level[] = [1, 2, 3, 4, 5];

/** A problem before it has an id. */
export interface Drawn {
  readonly question: string;
  /** The chain of thought, a sentence a step, every calculation written out. */
  readonly steps: readonly string[];
  /** An integer for stories, LaTeX for algebra. */
  readonly answer: string;
  /**
   * What the problem is when names, things and wording are taken away: the operations and their
   * numbers. Training and test problems never share one.
   */
  readonly key: string;
}

/** Draws a problem of one kind at a level; undefined where the draw led nowhere. */
export type Kind = (draw: Draw, level: Level) => Drawn | undefined;
