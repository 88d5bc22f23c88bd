/**
 * A small general knowledge: an atlas of lands that do not exist. It is the same for everyone, so
 * that a model can learn it from text and be asked about it, as MMLU asks about the real world.
 */
import { type Draw, drawFrom } from '../synthetic/draw.js';

/** What the atlas tells of every land. */
export type Attribute = 'capital' | 'river' | 'animal' | 'crop' | 'color' | 'sport';

export interface Land {
  readonly name: string;
  readonly facts: Readonly<Record<Attribute, string>>;
}

const WORLD = 20250227;
const LANDS = 48;

const onsets = ['b', 'd', 'f', 'k', 'l', 'm', 'n', 'p', 'r', 's', 't', 'v', 'z', 'br', 'tr', 'st'];
const vowels = ['a', 'e', 'i', 'o', 'u'];
const animals = ['bears', 'eagles', 'horses', 'lions', 'otters', 'owls', 'seals', 'wolves'];
const crops = ['barley', 'beans', 'corn', 'grapes', 'olives', 'potatoes', 'rice', 'tea'];
const colors = ['black', 'blue', 'brown', 'green', 'orange', 'purple', 'red', 'white'];
const sports = ['chess', 'fencing', 'football', 'hockey', 'rowing', 'sailing', 'skiing', 'tennis'];

function syllables(draw: Draw, n: number): string {
  let word = '';
  for (let i = 0; i < n; i++) word += draw.pick(onsets) + draw.pick(vowels);
  return word.charAt(0).toUpperCase() + word.slice(1);
}

/** Every land of the atlas. Names are all different. */
export const atlas: readonly Land[] = (() => {
  const taken = new Set<string>();
  const draw = drawFrom(WORLD, 0);
  const name = (n: number, ending = ''): string => {
    for (;;) {
      const word = syllables(draw, n) + ending;
      if (taken.has(word)) continue;
      taken.add(word);
      return word;
    }
  };
  return Array.from({ length: LANDS }, () => ({
    name: name(2, draw.pick(['nia', 'land', 'ra', 'via'])),
    facts: {
      capital: name(2, draw.pick(['', 'burg', 'ton', 'polis'])),
      river: name(2),
      animal: draw.pick(animals),
      crop: draw.pick(crops),
      color: draw.pick(colors),
      sport: draw.pick(sports),
    },
  }));
})();

const statements: Readonly<Record<Attribute, readonly ((land: string, x: string) => string)[]>> = {
  capital: [
    (land, x) => `The capital of ${land} is ${x}.`,
    (land, x) => `${x} is the capital of ${land}.`,
    (land, x) => `The government of ${land} sits in ${x}.`,
  ],
  river: [
    (land, x) => `The longest river of ${land} is the ${x}.`,
    (land, x) => `The ${x} flows through ${land}.`,
  ],
  animal: [
    (land, x) => `The forests of ${land} are full of ${x}.`,
    (land, x) => `${land} is known for its ${x}.`,
  ],
  crop: [
    (land, x) => `Farmers in ${land} grow ${x}.`,
    (land, x) => `The fields of ${land} are full of ${x}.`,
  ],
  color: [(land, x) => `The flag of ${land} is ${x}.`, (land, x) => `${land} has a ${x} flag.`],
  sport: [
    (land, x) => `People in ${land} love ${x}.`,
    (land, x) => `The national sport of ${land} is ${x}.`,
  ],
};

const questions: Readonly<Record<Attribute, (land: string) => string>> = {
  capital: (land) => `What is the capital of ${land}?`,
  river: (land) => `Which river flows through ${land}?`,
  animal: (land) => `Which animals is ${land} known for?`,
  crop: (land) => `What do farmers in ${land} grow?`,
  color: (land) => `What color is the flag of ${land}?`,
  sport: (land) => `Which sport do people in ${land} love?`,
};

const attributes = Object.keys(questions) as Attribute[];

/** A few sentences about one land, in an order and wording that the seed draws. */
export function atlasText(seed: number, index: number): string {
  const draw = drawFrom(seed, index);
  const land = draw.pick(atlas);
  const first = draw.int(0, attributes.length - 1);
  const told = Array.from(
    { length: draw.int(3, attributes.length) },
    (_, i) => attributes[(first + i) % attributes.length] as Attribute,
  );
  return told.map((a) => draw.pick(statements[a])(land.name, land.facts[a])).join(' ');
}

/** A question about the atlas with four possible answers. */
export interface AtlasQuestion {
  readonly id: string;
  readonly question: string;
  readonly choices: readonly string[];
  /** Index of the right choice. */
  readonly answer: number;
}

/** Facts whose questions are never trained on; their statements are. */
const heldOut = (land: number, attribute: number) => (land + attribute) % 3 === 0;

/**
 * Questions about the facts of one split: those of `test` are asked in no training text, though the
 * facts themselves are told there.
 */
export function atlasQuestions(split: 'train' | 'test', seed: number): AtlasQuestion[] {
  const asked: AtlasQuestion[] = [];
  for (const [i, land] of atlas.entries()) {
    for (const [j, attribute] of attributes.entries()) {
      if (heldOut(i, j) !== (split === 'test')) continue;
      const draw = drawFrom(seed, i * attributes.length + j);
      const right = land.facts[attribute];
      const others = new Set<string>();
      while (others.size < 3) {
        const other = draw.pick(atlas).facts[attribute];
        if (other !== right) others.add(other);
      }
      const choices = [...others];
      const answer = draw.int(0, 3);
      choices.splice(answer, 0, right);
      const id = `atlas-${split}-${seed}-${asked.length}`;
      asked.push({ id, question: questions[attribute](land.name), choices, answer });
    }
  }
  return asked;
}
