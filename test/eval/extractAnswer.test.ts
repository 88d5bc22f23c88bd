import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { extractAnswer, gradeGsm8k } from '../../lib/eval/index.js';

const extract = (text: string) => extractAnswer(text, { task: 'gsm8k' });

/** Completion, expected answer. Grouped by what makes the line hard. */
const cases: Record<string, [string, string | undefined][]> = {
  'the mark of the dataset': [
    ['She sold 48/2 = <<48/2=24>>24 clips in May.\n#### 72', '72'],
    ['#### 1,000', '1000'],
    ['#### -5', '-5'],
    ['#### $1,234.50', '1234.5'],
    ['####72', '72'],
    ['#### **72**', '72'],
    ['#### 72 eggs per day.', '72'],
    ['#### 10%', '10'],
    ['First try #### 5\nNo, rather #### 6', '6'],
    ['The answer is 5, see above.\n#### 6', '6'],
    ['#### 7\nThat took 12 steps.', '7'],
    ['#### 1. Add the costs\n3 + 4 = 7', '7'],
    ['#### 2) Find the rest\nSo 11 are left.', '11'],
    ['#### Step 3: multiply\n3 x 4 = 12', '12'],
    ['##### 5 is no mark. It makes 8', '8'],
    ['#### unknown', undefined],
  ],
  'the box': [
    ['So we get \\boxed{18}.', '18'],
    ['\\boxed{1} or rather \\boxed{2}', '2'],
    ['\\boxed{5}. This took 3 steps.', '5'],
    ['\\fbox{42}', '42'],
    ['\\boxed {42}', '42'],
    ['\\boxed 42 then', '42'],
    ['$\\boxed{\\frac{1}{2}}$', '0.5'],
    ['$\\boxed{\\dfrac{2}{3}}$', '2/3'],
    ['$\\boxed{-\\frac{3}{4}}$', '-0.75'],
    ['$\\boxed{\\frac34}$', '0.75'],
    ['$\\boxed{3\\frac{1}{2}}$', '3.5'],
    ['\\boxed{\\$1{,}250}', '1250'],
    ['\\boxed{12\\,500}', '12500'],
    ['\\boxed{1,\\!000,\\!000}', '1000000'],
    ['\\boxed{50\\%}', '50'],
    ['\\boxed{90^\\circ}', '90'],
    ['\\boxed{x = 5}', '5'],
    ['\\boxed{3 + 4 = 7}', '7'],
    ['\\boxed{5 \\text{ apples in 2 bags}}', '5'],
    ['\\boxed{\\text{\\$}18}', '18'],
    ['\\boxed{\\textbf{18}}', '18'],
    ['\\boxed{1.5 \\times 10^3}', '1500'],
    ['\\boxed{10^3}', undefined],
    ['\\boxed{2x}', undefined],
    ['\\boxed{\\text{none}} although 4 were left', '4'],
    ['the answer is 6, \\boxed{7', '6'],
    ['\\boxed{\\boxed{9}}', '9'],
    ['\\boxed{}', undefined],
  ],
  'the phrase': [
    ['The answer is 18.', '18'],
    ['The answer is: $18.', '18'],
    ['Answer: 18 dollars', '18'],
    ['**Answer:** 18', '18'],
    ['**Answer**: 18', '18'],
    ['The final answer is **18** eggs. There were 3 days.', '18'],
    ['So the answer is 20 - 5 = 15 apples, of 20.', '15'],
    ['The answer is 2 * 3 = 6 = 6. Then 9.', '6'],
    ['The answer is 80 x 20 = 1600 stickers, 4 each.', '1600'],
    ['The answer is 2x3=6 of 7', '6'],
    ['The answer is 18 because 2 * 9 = 18 and 1 + 1 = 2.', '18'],
    ['The answer is:\n\n42\n\nI used 3 steps.', '42'],
    ['The answer is \\( 42 \\), from 2 parts.', '42'],
    ['The answer to the question about 3 dogs is 12. Bye 4', '12'],
    ['The answer is 5. I hope this answer is helpful in your 2 classes!', '5'],
    ['The answer is 5. Wait. The answer is 6. (Second of 2 tries)', '6'],
    ['The answer is not here. He bought 3 of 4', '4'],
    ['the answer should be -7 degrees, not 7', '-7'],
    ['answer = 3.50 in 2 parts', '3.5'],
    ['THE ANSWER IS 11, NOT 12', '11'],
    ['The answer would be x = 5, for 2 cases', '5'],
  ],
  'the last number': [
    ['3 + 4 = 7', '7'],
    ['She has 5 apples left.', '5'],
    ['It costs $3.', '3'],
    ['It costs $3.50.', '3.5'],
    ['It costs 3 dollars, or USD 4', '4'],
    ['Rs.50 it is', '50'],
    ['In total £1,234,567!', '1234567'],
    ['He earns 1,00,000 rupees', '100000'],
    ['The counts are 1,2,3', '3'],
    ['about 2/3 of it', '2/3'],
    ['about 4/6 of it', '2/3'],
    ['2 1/2 cups', '2.5'],
    ['2½ cups', '2.5'],
    ['¾ of a cup', '0.75'],
    ['.5 litres', '0.5'],
    ['Left: -3', '-3'],
    ['Left: −3 °C', '-3'],
    ['He is at -$5', '-5'],
    ['He is at $-5', '-5'],
    ['10 - 3', '3'],
    ['10 -3', '3'],
    ['10-3', '3'],
    ['between 3-5', '5'],
    ['3–5 days', '5'],
    ['x -3', '3'],
    ['a loss of (-5)', '-5'],
    ['COVID-19', '19'],
    ['- 4 apples', '4'],
    ['+8', '8'],
    ['It was 9 on the 3rd day', '9'],
    ['It was 9 in H2O', '9'],
    ['So 9, see x2', '9'],
    ['5kg', '5'],
    ['5 m²', '5'],
    ['there are 4, not 10²', '4'],
    ['7 at 3:30 PM', '7'],
    ['7 on 12/25/2024', '7'],
    ['100%', '100'],
    ['007', '7'],
    ['0.0', '0'],
    ['-0', '0'],
    ['6 of 5/0', '6'],
    ['1e3 of them', '1000'],
    ['2.5E-2', '0.025'],
    ['１８ eggs', '18'],
    ['12\u202f500 km', '12500'],
    ['**18**', '18'],
    ['_18_', undefined],
    ['eighteen', undefined],
    ['', undefined],
    ['\u0000', undefined],
    ['$', undefined],
    ['-', undefined],
    ['12345678901', '12345678901'],
    ['0.1000000000000000000000000001', '0.1000000000000000000000000001'],
  ],
  'the own turn': [
    ['The answer is 5.<|im_end|>\n<|im_start|>user\nAnd 2 + 2?', '5'],
    ['It is 5<|endoftext|>The answer is 6', '5'],
    ['It is 5<|eot_id|>#### 6', '5'],
    ['It is 5</s>6', '5'],
    ['<|im_start|>assistant\nIt is 5<|im_end|>', '5'],
    ['<|start_header_id|>assistant<|end_header_id|>\n\nIt is 5', '5'],
    ['<|im_end|>The answer is 6', undefined],
    ['It is 5.\n\nQuestion: Tom has 3 dogs.\nAnswer: 9', '5'],
    ['It is 5.\nQ: Tom has 3 dogs.\nA: The answer is 9', '5'],
    ['It is 5.\n### Problem 2: Tom has 3 dogs.', '5'],
    ['It is 5.\nUser: thanks, 10 out of 10', '5'],
    ['Problem: restated without digits\nSolution: 3 + 3 = 6', '6'],
    ['Let us see.\n\nQuestion: 3 + 3?\nAnswer: 6', '6'],
    ['The question: is it 5?', '5'],
  ],
};

describe('extractAnswer, gsm8k', () => {
  for (const [group, lines] of Object.entries(cases)) {
    it.each(lines)(`${group}: %j gives %j`, (text, expected) => {
      expect(extract(text)).toBe(expected);
    });
  }

  it('reads its own output back', () => {
    const answers = Object.values(cases).flatMap((lines) => lines.map(([, answer]) => answer));
    for (const answer of answers) {
      if (answer !== undefined) {
        expect(extract(answer)).toBe(answer);
        expect(extract(`The answer is ${answer}.`)).toBe(answer);
        expect(extract(`\\boxed{${answer}}`)).toBe(answer);
        expect(extract(`#### ${answer}`)).toBe(answer);
      }
    }
  });

  it('refuses what is not a string or not a known task', () => {
    expect(() => extract(5 as unknown as string)).toThrow(/text must be a string, got number/);
    expect(() => extract(undefined as unknown as string)).toThrow(TypeError);
    expect(() => extractAnswer('5', { task: 'maths' as 'gsm8k' })).toThrow(/'choice', got "maths"/);
  });

  it.each([
    ['digits', '9'.repeat(1_000_000)],
    ['opened boxes', '\\boxed{'.repeat(150_000)],
    ['nested boxes', '\\boxed{'.repeat(70_000) + '}'.repeat(70_000)],
    ['braces', '{}'.repeat(500_000)],
    ['marks', '#### '.repeat(200_000)],
    ['phrases', 'the answer to '.repeat(70_000)],
    ['spaces after a phrase', `answer${' '.repeat(1_000_000)}`],
    ['groups', '1,'.repeat(500_000)],
    ['slashes', '1/'.repeat(500_000)],
    ['questions', 'Question:\n'.repeat(100_000)],
    ['fractions', '\\frac{1}'.repeat(120_000)],
    ['backslashes', '\\'.repeat(1_000_000)],
    ['exponents', '1e999'.repeat(200_000)],
  ])('ends on a megabyte of %s', (_, text) => {
    const answer = extract(text);
    expect(answer === undefined || answer.length < 2100).toBe(true);
  });
});

describe('gradeGsm8k', () => {
  it.each([
    ['The answer is $1,200.00', '1200', true],
    ['\\boxed{\\frac{1}{2}}', '0.5', true],
    ['50%', '50', true],
    ['The answer is 2/3', '4/6', true],
    ['0.6666666666666666', '2/3', false],
    ['0.1', '0.10000000000000000001', false],
    ['9007199254740993', '9007199254740992', false],
    ['12345678901', '12345678902', false],
    ['-5', '5', false],
    ['nothing', '0', false],
    ['It makes 6', 'Twice 3 is <<2*3=6>>6.\n#### 6', true],
    ['It makes 3', 'Twice 3 is <<2*3=6>>6.\n#### 6', false],
  ])('%j against %j is %j', (completion, gold, correct) => {
    expect(gradeGsm8k(completion, gold).correct).toBe(correct);
  });

  it('gives the answer it graded', () => {
    expect(gradeGsm8k('So $1,200.', '1200')).toEqual({ answer: '1200', correct: true });
    expect(gradeGsm8k('Who knows', '1200')).toEqual({ answer: undefined, correct: false });
  });

  it('refuses a gold answer without a number', () => {
    expect(() => gradeGsm8k('5', 'five')).toThrow(/gold answer must hold a number, got "five"/);
  });

  const published = join(process.env.MAMBALAB_DATA ?? '', 'gsm8k', 'test.jsonl');
  it.runIf(existsSync(published))('reads every gold of the published test set', () => {
    const lines = readFileSync(published, 'utf8').trim().split('\n');
    expect(lines).toHaveLength(1319);
    for (const line of lines) {
      const { answer } = JSON.parse(line) as { answer: string };
      const gold = answer.slice(answer.lastIndexOf('####') + 4).replaceAll(/[\s,$]/g, '');
      expect(extract(answer)).toBe(String(BigInt(gold)));
      const worked = answer.slice(0, answer.lastIndexOf('####'));
      expect(gradeGsm8k(`${worked}The answer is ${gold}.`, answer).correct).toBe(true);
    }
  });
});
