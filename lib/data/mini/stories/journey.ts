import { people } from '../../synthetic/words.js';
import { capital, type Theme } from './turn.js';

/** Ways by car, on foot and by train, in miles. */
export const journey: Theme = {
  cast(draw) {
    const [person, friend] = draw.two(people);
    return {
      name: person.name,
      they: person.they,
      them: person.they === 'she' ? 'her' : 'him',
      their: person.their,
      friend: friend.name,
      thing: 'miles',
    };
  },
  openings: [
    (draw, { name, they }) => {
      const [hours, speed] = [draw.int(2, 6), draw.int(2, 12) * 5];
      return {
        text: `${name} drives for ${hours} hours at ${speed} miles per hour.`,
        steps: [`${capital(they)} drives ${hours} * ${speed} = ${hours * speed} miles.`],
        value: hours * speed,
        key: `drives ${hours} ${speed}`,
      };
    },
    (draw, { name }) => {
      const a = draw.int(4, 60);
      const how = draw.pick(['cycles', 'drives', 'walks', 'rides']);
      return { text: `${name} ${how} ${a} miles.`, steps: [], value: a, key: `goes ${a}` };
    },
    (draw, { name, they }) => {
      const [daily, days] = [draw.int(3, 15), draw.int(3, 9)];
      return {
        text: `${name} runs ${daily} miles a day for ${days} days.`,
        steps: [`${capital(they)} runs ${days} * ${daily} = ${days * daily} miles.`],
        value: days * daily,
        key: `runs ${days} ${daily}`,
      };
    },
  ],
  events: [
    (draw, { they, value }) => {
      const b = draw.int(3, 60);
      const text = draw.pick([
        `After a break ${they} goes another ${b} miles.`,
        `The next day ${they} covers ${b} more miles.`,
        `Then ${they} takes a train for ${b} miles.`,
      ]);
      const steps = [`That makes ${value} + ${b} = ${value + b} miles.`];
      return { text, steps, value: value + b, key: `plus ${b}` };
    },
    (draw, { they, value }) => {
      const [hours, speed] = [draw.int(2, 5), draw.int(2, 10) * 5];
      const more = hours * speed;
      return {
        text: `Then ${they} travels ${hours} hours by bus at ${speed} miles per hour.`,
        steps: [
          `The bus goes ${hours} * ${speed} = ${more} miles.`,
          `That makes ${value} + ${more} = ${value + more} miles.`,
        ],
        value: value + more,
        key: `bus ${hours} ${speed}`,
      };
    },
    (_, { they, value }) => ({
      text: `Then ${they} goes the whole way back.`,
      steps: [`Both ways are 2 * ${value} = ${2 * value} miles.`],
      value: 2 * value,
      key: 'back',
    }),
  ],
  questions: [
    (draw, { name, value }) => {
      const goal = value + draw.int(5, 120);
      return {
        text: `The whole way is ${goal} miles long.`,
        steps: [`There are ${goal} - ${value} = ${goal - value} miles left.`],
        value: goal - value,
        key: `goal ${goal}`,
        question: `How many miles does ${name} still have to go?`,
      };
    },
    (draw, { name, friend, value }) => {
      if (value < 5) return undefined;
      const less = draw.int(2, value - 2);
      return {
        text: `${friend} goes ${less} miles less than ${name}.`,
        steps: [
          `${friend} goes ${value} - ${less} = ${value - less} miles.`,
          `Together they go ${value} + ${value - less} = ${2 * value - less} miles.`,
        ],
        value: 2 * value - less,
        key: `together less ${less}`,
        question: `How many miles do ${name} and ${friend} go together?`,
      };
    },
    (draw, { name, value }) => {
      const fitting = [2, 3, 4, 5, 6, 8, 10].filter((k) => value % k === 0 && value > k);
      if (fitting.length === 0) return undefined;
      const k = draw.pick(fitting);
      return {
        text: `A gallon is enough for ${k} miles.`,
        steps: [`It takes ${value} / ${k} = ${value / k} gallons.`],
        value: value / k,
        key: `gallon ${k}`,
        question: `How many gallons does ${name} need for this?`,
      };
    },
  ],
  ask: (_, { name }) => `How many miles does ${name} go altogether?`,
};
