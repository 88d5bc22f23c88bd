/**
 * Stories: multi-step word problems in the manner of GSM8K, put together from openings, events and
 * questions, so that there are thousands of plots before names, things and numbers vary.
 */
import type { Draw } from '../synthetic/draw.js';
import type { Drawn, Kind, Level } from './problem.js';
import { bystander, someoneElse } from './stories/distractors.js';
import { themes } from './stories/themes.js';
import type { Turn } from './stories/turn.js';

/** Calculations that a turn adds. */
const calculations = (turn: Turn): number => turn.steps.length;

const most: Readonly<Record<Level, number>> = { 1: 100, 2: 200, 3: 300, 4: 400, 5: 600 };

/** A story with as many calculations as its level, or undefined where this draw found none. */
export const story: Kind = (draw, level) => {
  const theme = draw.pick(themes);
  const cast = theme.cast(draw);
  const first = draw.pick(theme.openings)(draw, { ...cast, value: 0 });
  if (!first) return undefined;
  const turns = [first];
  let left = level - calculations(first);
  while (left > 0) {
    const now = { ...cast, value: (turns.at(-1) as Turn).value };
    const ends = left <= 2 && draw.int(1, 3) > 1;
    const turn = draw.pick(ends ? theme.questions : theme.events)(draw, now);
    if (!turn || calculations(turn) > left || turn.value < 1 || turn.value > most[level]) {
      return undefined;
    }
    turns.push(turn);
    left -= calculations(turn);
    if (turn.question) break;
  }
  if (left !== 0) return undefined;
  return told(draw, level, turns, theme.ask(draw, { ...cast, value: 0 }));
};

function told(draw: Draw, level: Level, turns: readonly Turn[], ask: string): Drawn {
  const sentences = turns.map((turn) => turn.text);
  if (level >= 2 && draw.int(1, 5) <= 2) {
    const at = draw.int(0, sentences.length);
    sentences.splice(at, 0, at === 0 ? someoneElse(draw) : bystander(draw));
  }
  const last = turns.at(-1) as Turn;
  const question = [...sentences, last.question ?? ask].join(' ');
  return {
    question,
    steps: turns.flatMap((turn) => turn.steps),
    answer: `${last.value}`,
    key: turns.map((turn) => turn.key).join(' '),
  };
}
