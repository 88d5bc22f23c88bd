/** The letter of a choice that a completion settles on. */
import { afterPhrase, lastBox } from './extractMath.js';

/** A letter alone, in brackets or before a stop: "B", "(B)", "B. the cat", "**B**". */
const LETTER = /^[\s*$_({[]*(?:\\text\s*\{\s*\(?)?([A-J])(?![A-Za-z])/;

/** A capital letter from A to J, or undefined. */
export function extractChoice(turn: string): string | undefined {
  for (const place of [lastBox(turn), afterPhrase(turn)]) {
    const letter = place && LETTER.exec(place)?.[1];
    if (letter) return letter;
  }
  const lines = turn.split('\n').filter((line) => line.trim() !== '');
  for (const line of [lines[0], lines.at(-1)]) {
    const letter = line && /^[\s*({[]*([A-J])[\s*)}\].:]*$/.exec(line)?.[1];
    if (letter) return letter;
  }
  return /^[\s*({[]*([A-J])[)\].:]/.exec(lines[0] ?? '')?.[1];
}
