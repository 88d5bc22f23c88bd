/** Different spellings of one answer among MATH-500's: every one looked at by hand. */
export const equalGolds: readonly string[] = [
  '42 | 52_8',
  '90^\\circ | 90',
  '5 | x=5',
  '1,-2 | -2,1',
  '40_9 | 36',
  '40_9 | 36^\\circ',
  '40_9 | \\$36',
  '120^\\circ | 120',
  '36 | 36^\\circ',
  '36 | \\$36',
  '204_5 | 54',
  '\\frac{1}{4} | \\frac14',
  '30^\\circ | 30',
  '10,\\!080 | 10080',
  '15 | 15\\mbox{ cm}^2',
  '2 \\sqrt{5} | 2\\sqrt{5}',
];
