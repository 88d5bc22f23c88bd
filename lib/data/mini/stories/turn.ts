import type { Draw } from '../../synthetic/draw.js';

/** Who and what a story is about, and the number it stands at. */
export interface Story {
  readonly name: string;
  readonly they: string;
  readonly them: string;
  readonly their: string;
  readonly friend: string;
  /** What is counted, in the plural. */
  readonly thing: string;
  readonly value: number;
}

/** One sentence of a story and what it does to the number. */
export interface Turn {
  readonly text: string;
  /** One sentence a calculation; the last arrives at `value`. */
  readonly steps: readonly string[];
  readonly value: number;
  /** The operation and its numbers. */
  readonly key: string;
  /** Ends the story with this question instead of the theme's. */
  readonly question?: string;
}

/** Draws a turn; undefined where the numbers do not allow it. */
export type Move = (draw: Draw, story: Story) => Turn | undefined;

/** A kind of story. */
export interface Theme {
  cast(draw: Draw): Omit<Story, 'value'>;
  readonly openings: readonly Move[];
  readonly events: readonly Move[];
  /** Moves that ask for something made from the number. */
  readonly questions: readonly Move[];
  /** The question for the number itself. */
  ask(draw: Draw, story: Story): string;
}

/** A divisor of the value from the list, or undefined. */
export function divisor(draw: Draw, value: number, from: readonly number[]): number | undefined {
  const fitting = from.filter((k) => value % k === 0 && value > k);
  return fitting.length > 0 ? draw.pick(fitting) : undefined;
}

/** The first letter in upper case. */
export function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

export const fractions: Readonly<Record<number, string>> = {
  2: 'half',
  3: 'a third',
  4: 'a quarter',
  5: 'a fifth',
};

/** "twice", "3 times". */
export function times(k: number): string {
  return k === 2 ? 'twice' : `${k} times`;
}
