import type { Template } from './template.js';
import { dreams, fruits, goods, people, things } from './words.js';

/** Problems of two or three steps. */
export const medium: readonly Template[] = [
  (draw) => {
    const [hens, eggs, price] = [draw.int(4, 20), draw.int(3, 7), draw.int(2, 4)];
    const laid = hens * eggs;
    const kept = draw.int(2, Math.min(20, laid - 2));
    return {
      question: `A farmer has ${hens} hens, and each hen lays ${eggs} eggs a week. The farmer keeps ${kept} eggs and sells the rest for ${price} dollars each. How many dollars does the farmer take in a week?`,
      steps: [
        `The hens lay ${hens} * ${eggs} = ${laid} eggs.`,
        `The farmer sells ${laid} - ${kept} = ${laid - kept} eggs.`,
        `That brings ${laid - kept} * ${price} = ${(laid - kept) * price} dollars.`,
      ],
      answer: (laid - kept) * price,
    };
  },
  (draw) => {
    const { name } = draw.pick(people);
    const [first, second] = draw.two(goods);
    const [a, p, b, q] = [draw.int(2, 8), draw.int(2, 15), draw.int(2, 8), draw.int(2, 15)];
    return {
      question: `${name} buys ${a} ${first.many} for ${p} dollars each and ${b} ${second.many} for ${q} dollars each. How many dollars does ${name} spend?`,
      steps: [
        `The ${first.many} cost ${a} * ${p} = ${a * p} dollars.`,
        `The ${second.many} cost ${b} * ${q} = ${b * q} dollars.`,
        `Together that is ${a * p} + ${b * q} = ${a * p + b * q} dollars.`,
      ],
      answer: a * p + b * q,
    };
  },
  (draw) => {
    const { name } = draw.pick(people);
    const { many } = draw.pick(goods);
    const [count, price] = [draw.int(2, 9), draw.int(3, 10)];
    return {
      question: `${name} has 100 dollars and buys ${count} ${many} for ${price} dollars each. How many dollars does ${name} have left?`,
      steps: [
        `The ${many} cost ${count} * ${price} = ${count * price} dollars.`,
        `${name} has 100 - ${count * price} = ${100 - count * price} dollars left.`,
      ],
      answer: 100 - count * price,
    };
  },
  (draw) => {
    const { name, they } = draw.pick(people);
    const [speed, hours, more] = [draw.int(6, 16) * 5, draw.int(2, 7), draw.int(5, 60)];
    return {
      question: `${name} drives for ${hours} hours at ${speed} miles per hour. After a break ${they} drives another ${more} miles. How many miles does ${name} drive in all?`,
      steps: [
        `Before the break it is ${hours} * ${speed} = ${hours * speed} miles.`,
        `In all it is ${hours * speed} + ${more} = ${hours * speed + more} miles.`,
      ],
      answer: hours * speed + more,
    };
  },
  (draw) => {
    const { name } = draw.pick(people);
    const [daily, days, left] = [draw.int(6, 30), draw.int(3, 12), draw.int(10, 120)];
    const pages = daily * days + left;
    return {
      question: `A book has ${pages} pages. ${name} reads ${daily} pages of it every day for ${days} days. How many pages are left to read?`,
      steps: [
        `${name} has read ${daily} * ${days} = ${daily * days} pages.`,
        `There are ${pages} - ${daily * days} = ${left} pages left.`,
      ],
      answer: left,
    };
  },
  (draw) => {
    const thing = draw.pick(things);
    const [size, packs, price] = [draw.int(4, 12), draw.int(3, 12), draw.int(2, 9)];
    return {
      question: `A class needs ${size * packs} ${thing}. They are sold in packs of ${size}, and a pack costs ${price} dollars. How many dollars does the class have to pay?`,
      steps: [
        `The class needs ${size * packs} / ${size} = ${packs} packs.`,
        `They cost ${packs} * ${price} = ${packs * price} dollars.`,
      ],
      answer: packs * price,
    };
  },
  (draw) => {
    const { name } = draw.pick(people);
    const [wage, hours, days] = [draw.int(9, 30), draw.int(3, 8), draw.int(3, 6)];
    return {
      question: `${name} earns ${wage} dollars an hour and works ${hours} hours a day on ${days} days of the week. How many dollars does ${name} earn in a week?`,
      steps: [
        `${name} works ${hours} * ${days} = ${hours * days} hours a week.`,
        `That earns ${hours * days} * ${wage} = ${hours * days * wage} dollars.`,
      ],
      answer: hours * days * wage,
    };
  },
  (draw) => {
    const [giver, friend] = draw.two(people);
    const fruit = draw.pick(fruits);
    const half = draw.int(6, 40);
    const eaten = draw.int(2, half - 2);
    return {
      question: `${giver.name} has ${2 * half} ${fruit}. ${giver.name} gives half of them to ${friend.name} and then eats ${eaten}. How many ${fruit} does ${giver.name} have left?`,
      steps: [
        `After giving away half there are ${2 * half} / 2 = ${half} ${fruit}.`,
        `After eating there are ${half} - ${eaten} = ${half - eaten} ${fruit}.`,
      ],
      answer: half - eaten,
    };
  },
  (draw) => {
    const [first, second] = draw.two(people);
    const thing = draw.pick(things);
    const [a, times] = [draw.int(4, 40), draw.int(2, 7)];
    const words = times === 2 ? 'twice' : `${times} times`;
    return {
      question: `${first.name} has ${a} ${thing}. ${second.name} has ${words} as many ${thing} as ${first.name}. How many ${thing} do they have together?`,
      steps: [
        `${second.name} has ${times} * ${a} = ${times * a} ${thing}.`,
        `Together they have ${a} + ${times * a} = ${a + times * a} ${thing}.`,
      ],
      answer: a + times * a,
    };
  },
  (draw) => {
    const [length, width, price] = [draw.int(8, 40), draw.int(3, 20), draw.int(2, 12)];
    const around = 2 * (length + width);
    return {
      question: `A rectangular garden is ${length} meters long and ${width} meters wide. A fence all the way around it costs ${price} dollars per meter. How many dollars does the fence cost?`,
      steps: [
        `The fence is 2 * (${length} + ${width}) = ${around} meters long.`,
        `It costs ${around} * ${price} = ${around * price} dollars.`,
      ],
      answer: around * price,
    };
  },
  (draw) => {
    const start = draw.int(10, 40);
    const off = draw.int(2, start - 2);
    const [on, later] = [draw.int(2, 15), draw.int(2, 15)];
    return {
      question: `A bus leaves with ${start} passengers. At the first stop ${off} passengers get off and ${on} get on. At the second stop ${later} more get on. How many passengers are on the bus then?`,
      steps: [
        `After ${off} passengers got off there were ${start} - ${off} = ${start - off}.`,
        `After the first stop there were ${start - off} + ${on} = ${start - off + on}.`,
        `After the second stop there were ${start - off + on} + ${later} = ${start - off + on + later}.`,
      ],
      answer: start - off + on + later,
    };
  },
  (draw) => {
    const [seats, buses] = [draw.int(4, 10) * 6, draw.int(2, 8)];
    const classes = draw.pick([2, 3, 6]);
    const each = (seats * buses) / classes;
    return {
      question: `${classes} groups with ${each} people each go on a trip. A bus takes ${seats} people. How many buses do they need?`,
      steps: [
        `There are ${classes} * ${each} = ${seats * buses} people.`,
        `They need ${seats * buses} / ${seats} = ${buses} buses.`,
      ],
      answer: buses,
    };
  },
  (draw) => {
    const [children, each] = [draw.int(2, 6) * 2, draw.int(1, 3) * 2];
    const slices = draw.pick([2, 4]);
    const cakes = (children * each) / slices;
    return {
      question: `${cakes} cakes are cut into ${slices} pieces each, and ${children} children share the pieces equally. How many pieces does each child get?`,
      steps: [
        `There are ${cakes} * ${slices} = ${cakes * slices} pieces.`,
        `Each child gets ${cakes * slices} / ${children} = ${each} pieces.`,
      ],
      answer: each,
    };
  },
  (draw) => {
    const { name } = draw.pick(people);
    const dream = draw.pick(dreams);
    const [weekly, weeks, has] = [draw.int(4, 25), draw.int(3, 16), draw.int(5, 90)];
    const price = has + weekly * weeks;
    return {
      question: `${name} wants a ${dream} that costs ${price} dollars. ${name} already has ${has} dollars and saves ${weekly} dollars every week. How many weeks does it take until ${name} can buy the ${dream}?`,
      steps: [
        `${name} still needs ${price} - ${has} = ${weekly * weeks} dollars.`,
        `That takes ${weekly * weeks} / ${weekly} = ${weeks} weeks.`,
      ],
      answer: weeks,
    };
  },
  (draw) => {
    const { name } = draw.pick(people);
    const mean = draw.int(60, 90);
    const [d, e] = [draw.int(1, 9), draw.int(1, 9)];
    const scores = [mean - d, mean + e, mean + d - e] as const;
    const sum = 3 * mean;
    return {
      question: `${name} scored ${scores[0]}, ${scores[1]} and ${scores[2]} points in three tests. What is the average score?`,
      steps: [
        `The sum is ${scores[0]} + ${scores[1]} + ${scores[2]} = ${sum} points.`,
        `The average is ${sum} / 3 = ${mean} points.`,
      ],
      answer: mean,
    };
  },
  (draw) => {
    const [cookies, cups, times] = [draw.int(2, 6) * 6, draw.int(2, 5), draw.int(2, 8)];
    return {
      question: `A recipe for ${cookies} cookies takes ${cups} cups of flour. How many cups of flour does one need for ${cookies * times} cookies?`,
      steps: [
        `One needs the recipe ${cookies * times} / ${cookies} = ${times} times.`,
        `That takes ${times} * ${cups} = ${times * cups} cups.`,
      ],
      answer: times * cups,
    };
  },
];
