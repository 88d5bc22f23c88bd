import type { Template } from './template.js';
import { fruits, goods, people, things } from './words.js';

/** Problems of three or more steps, with percentages, fractions and rates. */
export const hard: readonly Template[] = [
  (draw) => {
    const { many } = draw.pick(goods);
    const [price, off, count] = [draw.int(1, 10) * 20, draw.int(1, 10) * 5, draw.int(3, 12)];
    const cut = (price * off) / 100;
    return {
      question: `A shop sells ${many} for ${price} dollars each. During a sale they are ${off} percent cheaper. How many dollars do ${count} ${many} cost during the sale?`,
      steps: [
        `${off} percent of ${price} dollars is ${price} * ${off} / 100 = ${cut} dollars.`,
        `During the sale one costs ${price} - ${cut} = ${price - cut} dollars.`,
        `${count} of them cost ${count} * ${price - cut} = ${count * (price - cut)} dollars.`,
      ],
      answer: count * (price - cut),
    };
  },
  (draw) => {
    const [first, second] = draw.two(people);
    const { many } = draw.pick(goods);
    const [a, h, b, k] = [draw.int(2, 9), draw.int(3, 8), draw.int(2, 9), draw.int(3, 8)];
    const price = draw.int(3, 15);
    const total = a * h + b * k;
    return {
      question: `${first.name} makes ${a} ${many} an hour and works for ${h} hours. ${second.name} makes ${b} ${many} an hour and works for ${k} hours. They sell all of the ${many} for ${price} dollars each. How many dollars do they take in together?`,
      steps: [
        `${first.name} makes ${a} * ${h} = ${a * h} ${many}.`,
        `${second.name} makes ${b} * ${k} = ${b * k} ${many}.`,
        `Together they have ${a * h} + ${b * k} = ${total} ${many}.`,
        `They take in ${total} * ${price} = ${total * price} dollars.`,
      ],
      answer: total * price,
    };
  },
  (draw) => {
    const { name, they } = draw.pick(people);
    const { one } = draw.pick(goods);
    const [part, share] = [draw.int(3, 6), draw.int(8, 40)];
    const money = part * share;
    const fraction = { 3: 'a third', 4: 'a quarter', 5: 'a fifth', 6: 'a sixth' }[part];
    const left = money - share;
    const price = draw.int(4, left - 3);
    return {
      question: `${name} has ${money} dollars. First ${they} spends ${fraction} of it on a train ticket, then ${they} buys a ${one} for ${price} dollars. How many dollars does ${name} have left?`,
      steps: [
        `The ticket costs ${money} / ${part} = ${share} dollars.`,
        `After that ${money} - ${share} = ${left} dollars are left.`,
        `After buying the ${one} ${left} - ${price} = ${left - price} dollars are left.`,
      ],
      answer: left - price,
    };
  },
  (draw) => {
    const [older, younger] = draw.two(people);
    const [age, times, years] = [draw.int(4, 14), draw.int(2, 5), draw.int(3, 15)];
    const now = age + times * age;
    const words = times === 2 ? 'twice' : `${times} times`;
    return {
      question: `${younger.name} is ${age} years old, and ${older.name} is ${words} as old. What will the sum of their ages be in ${years} years?`,
      steps: [
        `${older.name} is ${times} * ${age} = ${times * age} years old.`,
        `Now the sum of their ages is ${age} + ${times * age} = ${now}.`,
        `In ${years} years it grows by 2 * ${years} = ${2 * years}.`,
        `Then it is ${now} + ${2 * years} = ${now + 2 * years}.`,
      ],
      answer: now + 2 * years,
    };
  },
  (draw) => {
    const { name, their } = draw.pick(people);
    const [quarters, days, weeks] = [draw.int(1, 4), draw.int(3, 6), draw.int(2, 6) * 2];
    const minutes = quarters * 15;
    const week = 2 * minutes * days;
    const total = week * weeks;
    return {
      question: `${name} walks ${minutes} minutes to ${their} work and ${minutes} minutes back, on ${days} days a week. How many hours does ${name} walk in ${weeks} weeks?`,
      steps: [
        `In a day it is 2 * ${minutes} = ${2 * minutes} minutes.`,
        `In a week it is ${2 * minutes} * ${days} = ${week} minutes.`,
        `In ${weeks} weeks it is ${week} * ${weeks} = ${total} minutes.`,
        `That is ${total} / 60 = ${total / 60} hours.`,
      ],
      answer: total / 60,
    };
  },
  (draw) => {
    const leak = draw.int(2, 9);
    const [net, time] = [draw.int(3, 20), draw.int(4, 30)];
    const half = net * time;
    return {
      question: `A tank holds ${2 * half} liters and is empty. A pipe fills in ${net + leak} liters a minute, while ${leak} liters a minute leak out. After how many minutes is the tank half full?`,
      steps: [
        `Half of the tank is ${2 * half} / 2 = ${half} liters.`,
        `Each minute the tank gains ${net + leak} - ${leak} = ${net} liters.`,
        `It takes ${half} / ${net} = ${time} minutes.`,
      ],
      answer: time,
    };
  },
  (draw) => {
    const { name } = draw.pick(people);
    const { many } = draw.pick(goods);
    const [count, cost, gain] = [draw.int(10, 40), draw.int(2, 12), draw.int(2, 10)];
    const fee = draw.int(5, count * gain - 5);
    return {
      question: `${name} buys ${count} ${many} for ${cost} dollars each and sells all of them at a market for ${cost + gain} dollars each. The table at the market costs ${fee} dollars. How many dollars of profit does ${name} make?`,
      steps: [
        `On each of them ${name} makes ${cost + gain} - ${cost} = ${gain} dollars.`,
        `On all of them that is ${count} * ${gain} = ${count * gain} dollars.`,
        `After paying for the table ${count * gain} - ${fee} = ${count * gain - fee} dollars remain.`,
      ],
      answer: count * gain - fee,
    };
  },
  (draw) => {
    const [fifths, part] = [draw.int(1, 4), draw.int(2, 4)];
    const students = 5 * part * draw.int(2, 8);
    const girls = (students * fifths * 20) / 100;
    const boys = students - girls;
    const fraction = { 2: 'Half', 3: 'A third', 4: 'A quarter' }[part];
    return {
      question: `A school year has ${students} students, and ${fifths * 20} percent of them are girls. ${fraction} of the boys play football. How many boys play football?`,
      steps: [
        `There are ${students} * ${fifths * 20} / 100 = ${girls} girls.`,
        `There are ${students} - ${girls} = ${boys} boys.`,
        `${boys} / ${part} = ${boys / part} boys play football.`,
      ],
      answer: boys / part,
    };
  },
  (draw) => {
    const [a, b] = [draw.int(8, 16) * 5, draw.int(8, 16) * 5];
    const [hours, apart] = [draw.int(2, 6), draw.int(3, 30)];
    const total = apart + (a + b) * hours;
    return {
      question: `Two cars are ${apart} miles apart and drive away from each other, one at ${a} and the other at ${b} miles per hour. How many miles apart are they after ${hours} hours?`,
      steps: [
        `Each hour the distance grows by ${a} + ${b} = ${a + b} miles.`,
        `In ${hours} hours it grows by ${hours} * ${a + b} = ${hours * (a + b)} miles.`,
        `Then they are ${apart} + ${hours * (a + b)} = ${total} miles apart.`,
      ],
      answer: total,
    };
  },
  (draw) => {
    const [rows, seats] = [draw.int(5, 20), draw.int(2, 6) * 10];
    const [percent, price] = [draw.int(3, 9) * 10, draw.int(4, 18)];
    const all = rows * seats;
    const sold = (all * percent) / 100;
    return {
      question: `A theatre has ${rows} rows of ${seats} seats. For a play ${percent} percent of the seats are sold at ${price} dollars each. How many dollars do the sold seats bring?`,
      steps: [
        `There are ${rows} * ${seats} = ${all} seats.`,
        `Of these ${all} * ${percent} / 100 = ${sold} are sold.`,
        `They bring ${sold} * ${price} = ${sold * price} dollars.`,
      ],
      answer: sold * price,
    };
  },
  (draw) => {
    const { name } = draw.pick(people);
    const [half, extra] = [draw.int(5, 15), draw.int(2, 12)];
    const wage = 2 * half;
    const [basic, more] = [40 * wage, extra * 3 * half];
    return {
      question: `${name} earns ${wage} dollars an hour for the first 40 hours of a week and one and a half times as much for every further hour. How many dollars does ${name} earn in a week of ${40 + extra} hours?`,
      steps: [
        `The first 40 hours earn 40 * ${wage} = ${basic} dollars.`,
        `There are ${40 + extra} - 40 = ${extra} further hours.`,
        `A further hour earns ${wage} * 3 / 2 = ${3 * half} dollars, so they earn ${extra} * ${3 * half} = ${more} dollars.`,
        `Altogether that is ${basic} + ${more} = ${basic + more} dollars.`,
      ],
      answer: basic + more,
    };
  },
  (draw) => {
    const [first, second] = draw.two(people);
    const third = draw.pick(people.filter((x) => x !== first && x !== second));
    const thing = draw.pick(things);
    const [c, times, more] = [draw.int(4, 30), draw.int(2, 5), draw.int(3, 25)];
    const [b, a] = [times * c, times * c + more];
    const words = times === 2 ? 'twice' : `${times} times`;
    return {
      question: `${first.name} has ${more} ${thing} more than ${second.name}. ${second.name} has ${words} as many ${thing} as ${third.name}. ${third.name} has ${c} ${thing}. How many ${thing} do the three have together?`,
      steps: [
        `${second.name} has ${times} * ${c} = ${b} ${thing}.`,
        `${first.name} has ${b} + ${more} = ${a} ${thing}.`,
        `Together they have ${a} + ${b} + ${c} = ${a + b + c} ${thing}.`,
      ],
      answer: a + b + c,
    };
  },
  (draw) => {
    const fruit = draw.pick(fruits);
    const part = draw.int(3, 6);
    const [boxes, size] = [draw.int(2, 9) * (part - 1), draw.int(4, 12)];
    const good = boxes * size;
    const all = (good / (part - 1)) * part;
    const fraction = { 3: 'a third', 4: 'a quarter', 5: 'a fifth', 6: 'a sixth' }[part];
    return {
      question: `A farm harvests ${all} ${fruit}, but ${fraction} of them are bad and thrown away. The good ones are packed into boxes of ${size}. How many boxes are filled?`,
      steps: [
        `${all} / ${part} = ${all / part} ${fruit} are thrown away.`,
        `${all} - ${all / part} = ${good} good ones remain.`,
        `They fill ${good} / ${size} = ${boxes} boxes.`,
      ],
      answer: boxes,
    };
  },
  (draw) => {
    const [fee, included, cents] = [draw.int(8, 30), draw.int(2, 10) * 50, draw.pick([5, 10, 20])];
    const [extra, months] = [draw.int(1, 8) * 20, draw.int(2, 6)];
    const dollars = (extra * cents) / 100;
    return {
      question: `A telephone plan costs ${fee} dollars a month with ${included} minutes included. Every further minute costs ${cents} cents. How many dollars do ${months} months cost with ${included + extra} minutes of calls in each month?`,
      steps: [
        `Each month has ${included + extra} - ${included} = ${extra} further minutes.`,
        `They cost ${extra} * ${cents} / 100 = ${dollars} dollars.`,
        `A month costs ${fee} + ${dollars} = ${fee + dollars} dollars.`,
        `${months} months cost ${months} * ${fee + dollars} = ${months * (fee + dollars)} dollars.`,
      ],
      answer: months * (fee + dollars),
    };
  },
  (draw) => {
    const start = draw.int(5, 40);
    const [one, two, three] = [2 * start, 4 * start, 8 * start];
    const taken = draw.int(3, three - 3);
    return {
      question: `A colony of ${start} bacteria doubles every hour. After 3 hours a student removes ${taken} of them. How many bacteria are left?`,
      steps: [
        `After 1 hour there are 2 * ${start} = ${one}.`,
        `After 2 hours there are 2 * ${one} = ${two}.`,
        `After 3 hours there are 2 * ${two} = ${three}.`,
        `Then ${three} - ${taken} = ${three - taken} are left.`,
      ],
      answer: three - taken,
    };
  },
  (draw) => {
    const { name } = draw.pick(people);
    const thing = draw.pick(things);
    const third = draw.int(6, 40);
    const given = draw.int(2, 2 * third - 2);
    const left = 2 * third - given;
    return {
      question: `${name} sells a third of a collection of ${thing} and then gives away ${given} more. After that ${left} ${thing} are left. How many ${thing} were in the collection at first?`,
      steps: [
        `Before the gift there were ${left} + ${given} = ${2 * third} ${thing}.`,
        `These were two thirds, so a third is ${2 * third} / 2 = ${third} ${thing}.`,
        `At first there were 3 * ${third} = ${3 * third} ${thing}.`,
      ],
      answer: 3 * third,
    };
  },
  (draw) => {
    const [length, wide] = [draw.int(3, 12) * 2, draw.int(2, 10) * 2];
    const price = draw.int(6, 25);
    const floor = length * wide;
    const needed = floor / 4;
    return {
      question: `A floor is ${length} feet long and ${wide} feet wide. One pack of tiles covers 4 square feet and costs ${price} dollars. How many dollars do the tiles for the floor cost?`,
      steps: [
        `The floor has ${length} * ${wide} = ${floor} square feet.`,
        `It takes ${floor} / 4 = ${needed} packs.`,
        `They cost ${needed} * ${price} = ${needed * price} dollars.`,
      ],
      answer: needed * price,
    };
  },
  (draw) => {
    const [workers, days] = [draw.int(2, 5) * 2, draw.int(2, 6)];
    const when = draw.pick(['This year', 'Next time', 'In winter']);
    const total = workers * days;
    const rest = total / (workers / 2);
    return {
      question: `${workers} painters paint a bridge in ${days} days. ${when} only half as many painters work on it, and all painters are equally fast. How many days longer does the bridge take then?`,
      steps: [
        `The bridge takes ${workers} * ${days} = ${total} days of one painter's work.`,
        `Half as many painters are ${workers} / 2 = ${workers / 2}.`,
        `They take ${total} / ${workers / 2} = ${rest} days.`,
        `That is ${rest} - ${days} = ${rest - days} days longer.`,
      ],
      answer: rest - days,
    };
  },
];
