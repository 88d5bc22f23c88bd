import type { Template } from './template.js';
import { fruits, goods, people, things } from './words.js';

/** Problems of one or two steps with small numbers. */
export const easy: readonly Template[] = [
  (draw) => {
    const { name } = draw.pick(people);
    const thing = draw.pick(things);
    const [a, b] = [draw.int(3, 60), draw.int(2, 40)];
    return {
      question: `${name} has ${a} ${thing} and buys ${b} more. How many ${thing} does ${name} have now?`,
      steps: [`${name} has ${a} + ${b} = ${a + b} ${thing}.`],
      answer: a + b,
    };
  },
  (draw) => {
    const [giver, friend] = draw.two(people);
    const thing = draw.pick(things);
    const b = draw.int(2, 30);
    const a = b + draw.int(2, 50);
    return {
      question: `${giver.name} had ${a} ${thing}. ${giver.they === 'she' ? 'She' : 'He'} gave ${b} of them to ${friend.name}. How many ${thing} are left?`,
      steps: [`${giver.name} has ${a} - ${b} = ${a - b} ${thing} left.`],
      answer: a - b,
    };
  },
  (draw) => {
    const place = draw.pick(['cinema', 'theatre', 'concert hall', 'school hall']);
    const [a, b] = [draw.int(3, 20), draw.int(4, 30)];
    return {
      question: `A ${place} has ${a} rows with ${b} seats in each row. How many seats does the ${place} have?`,
      steps: [`There are ${a} * ${b} = ${a * b} seats.`],
      answer: a * b,
    };
  },
  (draw) => {
    const { name } = draw.pick(people);
    const thing = draw.pick(things);
    const [bags, each] = [draw.int(2, 12), draw.int(3, 15)];
    return {
      question: `${name} puts ${bags * each} ${thing} into ${bags} bags, the same number into each bag. How many ${thing} are in one bag?`,
      steps: [`One bag holds ${bags * each} / ${bags} = ${each} ${thing}.`],
      answer: each,
    };
  },
  (draw) => {
    const [first, second] = draw.two(people);
    const fruit = draw.pick(fruits);
    const [a, b] = [draw.int(5, 60), draw.int(2, 30)];
    return {
      question: `${first.name} picked ${a} ${fruit}. ${second.name} picked ${b} ${fruit} more than ${first.name}. How many ${fruit} did ${second.name} pick?`,
      steps: [`${second.name} picked ${a} + ${b} = ${a + b} ${fruit}.`],
      answer: a + b,
    };
  },
  (draw) => {
    const { one, many } = draw.pick(goods);
    const [price, count] = [draw.int(2, 25), draw.int(2, 12)];
    return {
      question: `One ${one} costs ${price} dollars. How many dollars do ${count} ${many} cost?`,
      steps: [`${count} ${many} cost ${count} * ${price} = ${count * price} dollars.`],
      answer: count * price,
    };
  },
  (draw) => {
    const { name } = draw.pick(people);
    const { one } = draw.pick(goods);
    const note = draw.pick([20, 50, 100]);
    const price = draw.int(3, note - 2);
    return {
      question: `${name} buys a ${one} for ${price} dollars and pays with a ${note}-dollar note. How many dollars does ${name} get back?`,
      steps: [`The change is ${note} - ${price} = ${note - price} dollars.`],
      answer: note - price,
    };
  },
  (draw) => {
    const { name } = draw.pick(people);
    const [a, b, c] = [draw.int(5, 40), draw.int(5, 40), draw.int(5, 40)];
    return {
      question: `${name} read ${a} pages on Monday, ${b} pages on Tuesday and ${c} pages on Wednesday. How many pages did ${name} read in these three days?`,
      steps: [
        `On Monday and Tuesday ${name} read ${a} + ${b} = ${a + b} pages.`,
        `With Wednesday that makes ${a + b} + ${c} = ${a + b + c} pages.`,
      ],
      answer: a + b + c,
    };
  },
  (draw) => {
    const event = draw.pick(['hike', 'ferry crossing', 'train ride', 'workshop', 'cooking course']);
    const [hours, minutes] = [draw.int(2, 9), draw.int(1, 11) * 5];
    return {
      question: `A ${event} lasts ${hours} hours and ${minutes} minutes. How many minutes is that altogether?`,
      steps: [
        `${hours} hours are ${hours} * 60 = ${hours * 60} minutes.`,
        `Altogether that is ${hours * 60} + ${minutes} = ${hours * 60 + minutes} minutes.`,
      ],
      answer: hours * 60 + minutes,
    };
  },
  (draw) => {
    const { name } = draw.pick(people);
    const [weekly, weeks] = [draw.int(3, 25), draw.int(3, 20)];
    return {
      question: `${name} saves ${weekly} dollars every week. How many dollars has ${name} saved after ${weeks} weeks?`,
      steps: [`After ${weeks} weeks that is ${weeks} * ${weekly} = ${weeks * weekly} dollars.`],
      answer: weeks * weekly,
    };
  },
  (draw) => {
    const [dawn, rise] = [draw.int(2, 15), draw.int(5, 18)];
    const fall = draw.int(2, rise);
    return {
      question: `At dawn it was ${dawn} degrees. By noon it was ${rise} degrees warmer, and by evening it was ${fall} degrees colder than at noon. How many degrees was it in the evening?`,
      steps: [
        `At noon it was ${dawn} + ${rise} = ${dawn + rise} degrees.`,
        `In the evening it was ${dawn + rise} - ${fall} = ${dawn + rise - fall} degrees.`,
      ],
      answer: dawn + rise - fall,
    };
  },
  (draw) => {
    const [older, younger] = draw.two(people);
    const gap = draw.int(2, 12);
    const age = gap + draw.int(4, 40);
    return {
      question: `${older.name} is ${age} years old. ${younger.name} is ${gap} years younger than ${older.name}. How old is ${younger.name}?`,
      steps: [`${younger.name} is ${age} - ${gap} = ${age - gap} years old.`],
      answer: age - gap,
    };
  },
  (draw) => {
    const [first, second] = draw.two(people);
    const fruit = draw.pick(fruits);
    const [a, times] = [draw.int(4, 40), draw.int(2, 6)];
    const words = times === 2 ? 'twice' : `${times} times`;
    return {
      question: `${first.name} picked ${a} ${fruit}. ${second.name} picked ${words} as many. How many ${fruit} did ${second.name} pick?`,
      steps: [`${second.name} picked ${times} * ${a} = ${times * a} ${fruit}.`],
      answer: times * a,
    };
  },
  (draw) => {
    const [first, second] = draw.two(['red', 'blue', 'green', 'yellow', 'white']);
    const low = draw.int(12, 70);
    const high = low + draw.int(2, 40);
    return {
      question: `In a game the ${first} team scored ${high} points and the ${second} team scored ${low} points. By how many points did the ${first} team win?`,
      steps: [`The ${first} team won by ${high} - ${low} = ${high - low} points.`],
      answer: high - low,
    };
  },
];
