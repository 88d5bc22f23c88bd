import { fruits, people, things } from '../../synthetic/words.js';
import { capital, divisor, fractions, type Theme, times } from './turn.js';

/** Things that somebody has, gets, gives away and shares. */
export const collection: Theme = {
  cast(draw) {
    const [person, friend] = draw.two(people);
    return {
      name: person.name,
      they: person.they,
      them: person.they === 'she' ? 'her' : 'him',
      their: person.their,
      friend: friend.name,
      thing: draw.pick([...things, ...fruits]),
    };
  },
  openings: [
    (draw, { name, thing }) => {
      const a = draw.int(3, 60);
      return { text: `${name} has ${a} ${thing}.`, steps: [], value: a, key: `has ${a}` };
    },
    (draw, { name, thing }) => {
      const a = draw.int(3, 60);
      const where = draw.pick(['at the market', 'in the garden', 'in a drawer', 'on a walk']);
      return {
        text: `${name} finds ${a} ${thing} ${where}.`,
        steps: [],
        value: a,
        key: `has ${a}`,
      };
    },
    (draw, { name, they, thing }) => {
      const [a, b] = [draw.int(2, 9), draw.int(2, 12)];
      const box = draw.pick(['boxes', 'bags', 'jars', 'baskets']);
      return {
        text: `${name} has ${a} ${box} with ${b} ${thing} in each.`,
        steps: [`${capital(they)} has ${a} * ${b} = ${a * b} ${thing}.`],
        value: a * b,
        key: `${a} of ${b}`,
      };
    },
    (draw, { name, friend, thing }) => {
      const [a, b] = [draw.int(3, 50), draw.int(2, 30)];
      return {
        text: `${friend} has ${a} ${thing}, and ${name} has ${b} more than ${friend}.`,
        steps: [`${name} has ${a} + ${b} = ${a + b} ${thing}.`],
        value: a + b,
        key: `more ${a} ${b}`,
      };
    },
  ],
  events: [
    (draw, { they, thing, value }) => {
      const b = draw.int(2, 50);
      const text = draw.pick([
        `${capital(they)} buys ${b} more.`,
        `Then ${they} finds another ${b} ${thing}.`,
        `Later ${they} gets ${b} more ${thing} as a present.`,
      ]);
      const steps = [`Then ${they} has ${value} + ${b} = ${value + b} ${thing}.`];
      return { text, steps, value: value + b, key: `plus ${b}` };
    },
    (draw, { they, friend, thing, value }) => {
      if (value < 4) return undefined;
      const b = draw.int(2, value - 1);
      const text = draw.pick([
        `${capital(they)} gives ${b} of them to ${friend}.`,
        `On the way home ${they} loses ${b} ${thing}.`,
        `${capital(they)} sells ${b} of them.`,
      ]);
      const steps = [`After that ${they} has ${value} - ${b} = ${value - b} ${thing}.`];
      return { text, steps, value: value - b, key: `minus ${b}` };
    },
    (draw, { they, friend, thing, value }) => {
      const k = divisor(draw, value, [2, 3, 4, 5]);
      if (k === undefined) return undefined;
      const part = value / k;
      return {
        text: `${capital(they)} gives ${fractions[k]} of them to ${friend}.`,
        steps: [
          `${capital(they)} gives away ${value} / ${k} = ${part} ${thing}.`,
          `Then ${they} has ${value} - ${part} = ${value - part} ${thing}.`,
        ],
        value: value - part,
        key: `part ${k}`,
      };
    },
    (draw, { they, their, thing, value }) => {
      const k = draw.int(2, 4);
      return {
        text: `A year later ${their} collection is ${times(k)} as big.`,
        steps: [`A year later ${they} has ${k} * ${value} = ${k * value} ${thing}.`],
        value: k * value,
        key: `times ${k}`,
      };
    },
  ],
  questions: [
    (draw, { they, thing, value }) => {
      const k = divisor(draw, value, [2, 3, 4, 5, 6, 7, 8, 9, 10]);
      if (k === undefined) return undefined;
      return {
        text: `${capital(they)} puts them into ${k} bags, the same number into each.`,
        steps: [`One bag holds ${value} / ${k} = ${value / k} ${thing}.`],
        value: value / k,
        key: `into ${k}`,
        question: `How many ${thing} are in one bag?`,
      };
    },
    (draw, { name, they, value }) => {
      const p = draw.int(2, 9);
      return {
        text: `${capital(they)} sells all of them for ${p} dollars each.`,
        steps: [`${capital(they)} gets ${value} * ${p} = ${value * p} dollars.`],
        value: value * p,
        key: `price ${p}`,
        question: `How many dollars does ${name} get?`,
      };
    },
    (draw, { friend, name, thing, value }) => {
      const k = draw.int(2, 5);
      return {
        text: `${friend} has ${times(k)} as many.`,
        steps: [
          `${friend} has ${k} * ${value} = ${k * value} ${thing}.`,
          `Together they have ${value} + ${k * value} = ${value + k * value} ${thing}.`,
        ],
        value: value + k * value,
        key: `together ${k}`,
        question: `How many ${thing} do ${name} and ${friend} have together?`,
      };
    },
    (draw, { name, they, thing, value }) => {
      const goal = value + draw.int(3, 60);
      return {
        text: `${capital(they)} would like to have ${goal}.`,
        steps: [`${capital(they)} needs ${goal} - ${value} = ${goal - value} more ${thing}.`],
        value: goal - value,
        key: `goal ${goal}`,
        question: `How many more ${thing} does ${name} need?`,
      };
    },
  ],
  ask: (_, { name, thing }) => `How many ${thing} does ${name} have now?`,
};
