import { people } from '../../synthetic/words.js';
import { divisor, fractions, type Theme } from './turn.js';

/** Pupils of a school, a club or a camp. */
export const school: Theme = {
  cast(draw) {
    const friend = draw.pick(people);
    return {
      name: draw.pick(['A school', 'A camp', 'A music club', 'A sports club']),
      they: 'it',
      them: 'it',
      their: 'its',
      friend: friend.name,
      thing: 'children',
    };
  },
  openings: [
    (draw, { name }) => {
      const [a, b] = [draw.int(2, 8), draw.int(8, 25)];
      return {
        text: `${name} has ${a} groups of ${b} children.`,
        steps: [`There are ${a} * ${b} = ${a * b} children.`],
        value: a * b,
        key: `${a} of ${b}`,
      };
    },
    (draw, { name }) => {
      const [girls, boys] = [draw.int(8, 60), draw.int(8, 60)];
      return {
        text: `${name} has ${girls} girls and ${boys} boys.`,
        steps: [`There are ${girls} + ${boys} = ${girls + boys} children.`],
        value: girls + boys,
        key: `girls ${girls} ${boys}`,
      };
    },
    (draw, { name }) => {
      const [boys, more] = [draw.int(8, 40), draw.int(2, 20)];
      const girls = boys + more;
      return {
        text: `${name} has ${boys} boys and ${more} more girls than boys.`,
        steps: [
          `There are ${boys} + ${more} = ${girls} girls.`,
          `There are ${boys} + ${girls} = ${boys + girls} children.`,
        ],
        value: boys + girls,
        key: `more girls ${boys} ${more}`,
      };
    },
  ],
  events: [
    (draw, { value }) => {
      const b = draw.int(2, 30);
      return {
        text: `Then ${b} children join.`,
        steps: [`Then there are ${value} + ${b} = ${value + b} children.`],
        value: value + b,
        key: `plus ${b}`,
      };
    },
    (draw, { value }) => {
      if (value < 8) return undefined;
      const b = draw.int(2, value - 4);
      const text = draw.pick([`${b} children are ill.`, `${b} children go home early.`]);
      return {
        text,
        steps: [`Then there are ${value} - ${b} = ${value - b} children.`],
        value: value - b,
        key: `minus ${b}`,
      };
    },
    (draw, { value }) => {
      const k = divisor(draw, value, [2, 3, 4, 5]);
      if (k === undefined) return undefined;
      const part = value / k;
      const fraction = fractions[k] as string;
      return {
        text: `Of the children, ${fraction} stay for lunch and the others leave.`,
        steps: [`There are ${value} / ${k} = ${part} children at lunch.`],
        value: part,
        key: `part ${k}`,
      };
    },
  ],
  questions: [
    (draw, { value }) => {
      const k = divisor(draw, value, [2, 3, 4, 5, 6, 8, 10, 12]);
      if (k === undefined) return undefined;
      return {
        text: `They sit down at tables of ${k}.`,
        steps: [`They need ${value} / ${k} = ${value / k} tables.`],
        value: value / k,
        key: `tables ${k}`,
        question: 'How many tables do they need?',
      };
    },
    (draw, { value }) => {
      const p = draw.int(2, 8);
      return {
        text: `Each child pays ${p} dollars for a trip.`,
        steps: [`They pay ${value} * ${p} = ${value * p} dollars.`],
        value: value * p,
        key: `price ${p}`,
        question: 'How many dollars do the children pay altogether?',
      };
    },
    (draw, { value }) => {
      const [each, stock] = [draw.int(2, 4), draw.int(5, 60)];
      const all = value * each + stock;
      return {
        text: `From a box of ${all} pencils every child gets ${each}.`,
        steps: [
          `The children get ${value} * ${each} = ${value * each} pencils.`,
          `Then ${all} - ${value * each} = ${stock} pencils are left.`,
        ],
        value: stock,
        key: `pencils ${each} ${stock}`,
        question: 'How many pencils are left?',
      };
    },
  ],
  ask: () => 'How many children are there now?',
};
