/** The answer that a solution in LaTeX boxes or announces. */
import { braced } from './cleanLatex.js';

/** An answer is not longer than this. */
const REACH = 2000;
/** Boxes that are looked at, from the last on. */
const MOST_BOXES = 50;

const PHRASE = /\banswer\b(?:\s+(?:to|for|of)\b[^.\n]{0,80}?)?[\s*_]*(?:\bis\b|=|:)[\s*:]*/gi;

/** The source inside of the last balanced box, or undefined. */
export function lastBox(text: string): string | undefined {
  const boxes = [...text.matchAll(/\\(?:boxed|fbox)\s*(?=\{|[-\dA-Za-z])/g)].slice(-MOST_BOXES);
  for (const box of boxes.reverse()) {
    const start = box.index + box[0].length;
    const reach = text.slice(start, start + REACH);
    const inside = reach.startsWith('{')
      ? braced(reach, 0)?.inside
      : /^(?:-?\d[\d.,]*\d|-?\d|[A-Za-z])/.exec(reach)?.[0];
    if (inside !== undefined && inside.trim() !== '') return inside.trim();
  }
  return undefined;
}

/** What follows the last "the answer is": the mathematics in it, else the rest of its sentence. */
export function afterPhrase(text: string): string | undefined {
  for (const phrase of [...text.matchAll(PHRASE)].slice(-MOST_BOXES).reverse()) {
    const rest = text.slice(phrase.index + phrase[0].length).slice(0, REACH);
    const math = /^\s*(?:\$\$([^$]+)\$\$|\$([^$]+)\$|\\\((.+?)\\\)|\\\[(.+?)\\\])/s.exec(rest);
    const found = math
      ? (math[1] ?? math[2] ?? math[3] ?? math[4])
      : rest.split(/\n|[.!](?=\s|$)/)[0]?.replace(/[*_]+$/, '');
    if (found !== undefined && found.trim() !== '') return found.trim();
  }
  return undefined;
}

/** The source of a solution's final answer, or undefined. */
export function extractMath(turn: string): string | undefined {
  return lastBox(turn) ?? afterPhrase(turn);
}
