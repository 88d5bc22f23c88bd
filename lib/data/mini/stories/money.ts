import { dreams, goods, people } from '../../synthetic/words.js';
import { capital, divisor, type Theme } from './turn.js';

/** Money that somebody earns, spends and saves. */
export const money: Theme = {
  cast(draw) {
    const [person, friend] = draw.two(people);
    return {
      name: person.name,
      they: person.they,
      them: person.they === 'she' ? 'her' : 'him',
      their: person.their,
      friend: friend.name,
      thing: 'dollars',
    };
  },
  openings: [
    (draw, { name }) => {
      const a = draw.int(10, 100);
      return { text: `${name} has ${a} dollars.`, steps: [], value: a, key: `cash ${a}` };
    },
    (draw, { name, they }) => {
      const [wage, hours] = [draw.int(5, 20), draw.int(2, 9)];
      const work = draw.pick(['in a garden', 'in a library', 'at a market', 'in a workshop']);
      return {
        text: `${name} works ${hours} hours ${work} for ${wage} dollars an hour.`,
        steps: [`${capital(they)} earns ${hours} * ${wage} = ${hours * wage} dollars.`],
        value: hours * wage,
        key: `wage ${hours} ${wage}`,
      };
    },
    (draw, { name, they }) => {
      const [weekly, weeks] = [draw.int(3, 12), draw.int(3, 12)];
      return {
        text: `${name} saves ${weekly} dollars a week for ${weeks} weeks.`,
        steps: [`${capital(they)} saves ${weeks} * ${weekly} = ${weeks * weekly} dollars.`],
        value: weeks * weekly,
        key: `saves ${weeks} ${weekly}`,
      };
    },
  ],
  events: [
    (draw, { they, them, friend, value }) => {
      const b = draw.int(5, 50);
      const text = draw.pick([
        `${friend} gives ${them} ${b} dollars.`,
        `Then ${they} earns another ${b} dollars.`,
        `For ${them === 'her' ? 'her' : 'his'} birthday ${they} gets ${b} dollars.`,
      ]);
      const steps = [`Then ${they} has ${value} + ${b} = ${value + b} dollars.`];
      return { text, steps, value: value + b, key: `plus ${b}` };
    },
    (draw, { they, value }) => {
      if (value < 8) return undefined;
      const { one } = draw.pick(goods);
      const b = draw.int(3, value - 2);
      const text = draw.pick([
        `${capital(they)} buys a ${one} for ${b} dollars.`,
        `A ${one} costs ${them(they)} ${b} dollars.`,
      ]);
      const steps = [`After that ${they} has ${value} - ${b} = ${value - b} dollars.`];
      return { text, steps, value: value - b, key: `minus ${b}` };
    },
    (draw, { they, value }) => {
      const { many } = draw.pick(goods);
      const [count, price] = [draw.int(2, 9), draw.int(2, 12)];
      const cost = count * price;
      if (cost >= value) return undefined;
      return {
        text: `${capital(they)} buys ${count} ${many} for ${price} dollars each.`,
        steps: [
          `The ${many} cost ${count} * ${price} = ${cost} dollars.`,
          `Then ${they} has ${value} - ${cost} = ${value - cost} dollars.`,
        ],
        value: value - cost,
        key: `buys ${count} ${price}`,
      };
    },
    (draw, { they, value }) => {
      const k = divisor(draw, value, [2, 4, 5]);
      if (k === undefined) return undefined;
      const part = value / k;
      const percent = 100 / k;
      return {
        text: `${capital(they)} spends ${percent} percent of it on a train ticket.`,
        steps: [
          `The ticket costs ${value} * ${percent} / 100 = ${part} dollars.`,
          `Then ${they} has ${value} - ${part} = ${value - part} dollars.`,
        ],
        value: value - part,
        key: `percent ${percent}`,
      };
    },
  ],
  questions: [
    (draw, { name, they, value }) => {
      const price = value + draw.int(5, 90);
      const dream = draw.pick(dreams);
      return {
        text: `A ${dream} costs ${price} dollars.`,
        steps: [`${capital(they)} needs ${price} - ${value} = ${price - value} dollars.`],
        value: price - value,
        key: `goal ${price}`,
        question: `How many more dollars does ${name} need for the ${dream}?`,
      };
    },
    (draw, { name, they, value }) => {
      const k = divisor(draw, value, [2, 3, 4, 5, 6, 7, 8, 9, 10]);
      if (k === undefined) return undefined;
      const { one, many } = draw.pick(goods);
      return {
        text: `A ${one} costs ${k} dollars.`,
        steps: [`${capital(they)} can buy ${value} / ${k} = ${value / k} ${many}.`],
        value: value / k,
        key: `each ${k}`,
        question: `How many ${many} can ${name} buy?`,
      };
    },
    (draw, { name, friend, they, value }) => {
      const k = draw.int(2, 4);
      const heads = k + 1;
      if (value % heads !== 0) return undefined;
      return {
        text: `${capital(they)} shares the money equally with ${friend}${k > 2 ? ` and ${k - 1} others` : ' and one other'}.`,
        steps: [`Each gets ${value} / ${heads} = ${value / heads} dollars.`],
        value: value / heads,
        key: `share ${heads}`,
        question: `How many dollars does ${name} keep?`,
      };
    },
  ],
  ask: (_, { name }) => `How many dollars does ${name} have now?`,
};

function them(they: string): string {
  return they === 'she' ? 'her' : 'him';
}
