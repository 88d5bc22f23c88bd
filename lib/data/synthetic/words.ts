/** People in the problems. The pronoun goes with the name, so that sentences read naturally. */
export const people = [
  { name: 'Ada', they: 'she', their: 'her' },
  { name: 'Bruno', they: 'he', their: 'his' },
  { name: 'Carla', they: 'she', their: 'her' },
  { name: 'Darius', they: 'he', their: 'his' },
  { name: 'Elif', they: 'she', their: 'her' },
  { name: 'Farid', they: 'he', their: 'his' },
  { name: 'Grace', they: 'she', their: 'her' },
  { name: 'Hugo', they: 'he', their: 'his' },
  { name: 'Ines', they: 'she', their: 'her' },
  { name: 'Jonas', they: 'he', their: 'his' },
  { name: 'Keiko', they: 'she', their: 'her' },
  { name: 'Luis', they: 'he', their: 'his' },
  { name: 'Maya', they: 'she', their: 'her' },
  { name: 'Nils', they: 'he', their: 'his' },
  { name: 'Olga', they: 'she', their: 'her' },
  { name: 'Pavel', they: 'he', their: 'his' },
  { name: 'Rania', they: 'she', their: 'her' },
  { name: 'Samuel', they: 'he', their: 'his' },
  { name: 'Tessa', they: 'she', their: 'her' },
  { name: 'Viktor', they: 'he', their: 'his' },
] as const;

/** Small things that people own, count and give away. */
export const things = [
  'stickers',
  'marbles',
  'shells',
  'stamps',
  'pencils',
  'buttons',
  'coins',
  'beads',
  'cards',
  'crayons',
  'pebbles',
  'badges',
] as const;

/** Things that grow and are picked. */
export const fruits = [
  'apples',
  'pears',
  'plums',
  'peaches',
  'oranges',
  'lemons',
  'apricots',
  'figs',
] as const;

/** Things with a price, one and many. */
export const goods = [
  { one: 'notebook', many: 'notebooks' },
  { one: 'mug', many: 'mugs' },
  { one: 'candle', many: 'candles' },
  { one: 'scarf', many: 'scarves' },
  { one: 'lamp', many: 'lamps' },
  { one: 'puzzle', many: 'puzzles' },
  { one: 'kite', many: 'kites' },
  { one: 'plant', many: 'plants' },
  { one: 'basket', many: 'baskets' },
  { one: 'calendar', many: 'calendars' },
] as const;

/** Things that one saves up for. */
export const dreams = ['bicycle', 'guitar', 'telescope', 'camera', 'tent', 'violin'] as const;
