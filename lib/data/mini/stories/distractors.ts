import type { Draw } from '../../synthetic/draw.js';
import { fruits, people, things } from '../../synthetic/words.js';

/** A true sentence about somebody else with a number that the answer does not need. */
export function someoneElse(draw: Draw): string {
  const { name } = draw.pick(people);
  const forms: readonly (() => string)[] = [
    () => `${name} is ${draw.int(8, 60)} years old.`,
    () => `${name} has ${draw.int(2, 40)} ${draw.pick(fruits)} at home.`,
    () => `${name} collects ${draw.pick(things)} and has ${draw.int(10, 90)} of them.`,
    () => `${name} lives in house number ${draw.int(2, 99)}.`,
  ];
  return draw.pick(forms)();
}

/** A true sentence about nobody, so that "she" and "he" still mean whom they meant. */
export function bystander(draw: Draw): string {
  const forms: readonly (() => string)[] = [
    () => `It is ${draw.int(5, 30)} degrees warm that day.`,
    () => `The shop around the corner opens at ${draw.int(7, 11)} in the morning.`,
    () => `A bus to the station leaves every ${draw.int(2, 12) * 5} minutes.`,
    () => `The street has ${draw.int(10, 80)} houses and ${draw.int(5, 40)} trees.`,
  ];
  return draw.pick(forms)();
}
