import { people } from '../../synthetic/words.js';
import { divisor, fractions, type Theme } from './turn.js';

/** What a bakery bakes, sells and packs. */
export const bakery: Theme = {
  cast(draw) {
    const friend = draw.pick(people);
    return {
      name: `The ${draw.pick(['bakery', 'kitchen', 'cafe', 'canteen'])}`,
      they: 'it',
      them: 'it',
      their: 'its',
      friend: friend.name,
      thing: draw.pick(['rolls', 'muffins', 'cookies', 'tarts', 'pies']),
    };
  },
  openings: [
    (draw, { name, thing }) => {
      const [a, b] = [draw.int(2, 9), draw.int(3, 12)];
      return {
        text: `${name} bakes ${a} trays of ${b} ${thing}.`,
        steps: [`It bakes ${a} * ${b} = ${a * b} ${thing}.`],
        value: a * b,
        key: `${a} of ${b}`,
      };
    },
    (draw, { name, thing }) => {
      const a = draw.int(12, 90);
      return { text: `${name} has ${a} ${thing}.`, steps: [], value: a, key: `has ${a}` };
    },
    (draw, { name, thing }) => {
      const [a, b] = [draw.int(10, 50), draw.int(10, 50)];
      return {
        text: `${name} bakes ${a} ${thing} on Monday and ${b} on Tuesday.`,
        steps: [`It bakes ${a} + ${b} = ${a + b} ${thing}.`],
        value: a + b,
        key: `two days ${a} ${b}`,
      };
    },
  ],
  events: [
    (draw, { thing, value }) => {
      if (value < 6) return undefined;
      const b = draw.int(2, value - 2);
      const text = draw.pick([
        `In the morning ${b} of them are sold.`,
        `${b} ${thing} are burnt and thrown away.`,
        `The guests eat ${b} of them.`,
      ]);
      return {
        text,
        steps: [`Then ${value} - ${b} = ${value - b} ${thing} are left.`],
        value: value - b,
        key: `minus ${b}`,
      };
    },
    (draw, { thing, value }) => {
      const [a, b] = [draw.int(2, 6), draw.int(3, 10)];
      return {
        text: `Later ${a} more trays of ${b} are baked.`,
        steps: [
          `The new trays hold ${a} * ${b} = ${a * b} ${thing}.`,
          `That makes ${value} + ${a * b} = ${value + a * b} ${thing}.`,
        ],
        value: value + a * b,
        key: `plus ${a} of ${b}`,
      };
    },
    (draw, { thing, value }) => {
      const k = divisor(draw, value, [2, 3, 4, 5]);
      if (k === undefined) return undefined;
      const part = value / k;
      return {
        text: `Before noon ${fractions[k]} of them are sold.`,
        steps: [
          `Before noon ${value} / ${k} = ${part} ${thing} are sold.`,
          `Then ${value} - ${part} = ${value - part} ${thing} are left.`,
        ],
        value: value - part,
        key: `part ${k}`,
      };
    },
  ],
  questions: [
    (draw, { thing, value }) => {
      const p = draw.int(2, 6);
      return {
        text: `The ${thing} that are left are sold for ${p} dollars each.`,
        steps: [`They bring ${value} * ${p} = ${value * p} dollars.`],
        value: value * p,
        key: `price ${p}`,
        question: 'How many dollars do they bring?',
      };
    },
    (draw, { thing, value }) => {
      const k = divisor(draw, value, [2, 3, 4, 5, 6, 8, 10, 12]);
      if (k === undefined) return undefined;
      return {
        text: `The rest is packed into boxes of ${k} ${thing}.`,
        steps: [`That fills ${value} / ${k} = ${value / k} boxes.`],
        value: value / k,
        key: `boxes ${k}`,
        question: 'How many boxes are filled?',
      };
    },
  ],
  ask: (_, { thing }) => `How many ${thing} are there then?`,
};
