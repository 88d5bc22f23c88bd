import { describe, expect, it } from 'vitest';
import { loadTokenizer, type Problem, promptFor, promptMessages } from '../../lib/data/index.js';

const problem: Problem = { id: 'a', question: 'What is 2 + 2?', answer: '4', solution: '' };
const shot: Problem = {
  id: 'b',
  question: 'Half of 48, and 3?',
  answer: '27',
  solution: '48 / 2 = <<48/2=24>>24\n24 + 3 = <<24+3=27>>27\n#### 27',
};

describe('promptMessages', () => {
  it("asks MATH problems under Llama's system prompt", () => {
    const [system, user, ...rest] = promptMessages(problem, { answers: 'math' });
    expect(rest).toEqual([]);
    expect(user).toEqual({ role: 'user', content: 'What is 2 + 2?' });
    expect(system?.role).toBe('system');
    expect(system?.content).toMatch(/^Solve the following math problem efficiently and clearly:\n/);
    expect(system?.content).toContain('\n## Step 2: [Concise description]\n');
    expect(system?.content).toContain('the final answer is: $\\boxed{answer}$. I hope it is');
  });

  it('asks GSM8K problems inside the instruction, solved ones in the same form', () => {
    const messages = promptMessages(problem, { answers: 'gsm8k', shots: [shot] });
    expect(messages.map(({ role }) => role)).toEqual(['user', 'assistant', 'user']);
    expect(messages[2]?.content).toMatch(/\nProblem: What is 2 \+ 2\?\nYour response should end/);
    expect(messages[1]?.content).toBe('48 / 2 = 24\n24 + 3 = 27\nThe final answer is 27');
  });

  it('leaves a question alone, takes another system prompt, and none', () => {
    const style = 'question';
    expect(promptMessages(problem, { style, answers: 'math', shots: [shot] })).toEqual([
      { role: 'user', content: shot.question },
      { role: 'assistant', content: '48 / 2 = 24\n24 + 3 = 27\n#### 27' },
      { role: 'user', content: problem.question },
    ]);
    const [system] = promptMessages(problem, { style, answers: 'math', system: 'Be brief.' });
    expect(system).toEqual({ role: 'system', content: 'Be brief.' });
    expect(promptMessages(problem, { answers: 'math', system: '' })).toHaveLength(1);
  });
});

describe('promptFor', () => {
  it("renders the model's chat template, or plain text", () => {
    const tokenizer = loadTokenizer('smollm2-135m-instruct');
    const chat = promptFor(tokenizer, problem, { answers: 'math', system: 'Be brief.' });
    expect(chat).toBe(
      '<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nWhat is 2 + 2?<|im_end|>\n' +
        '<|im_start|>assistant\n',
    );
    const text = promptFor(tokenizer, problem, { style: 'text', answers: 'gsm8k', shots: [shot] });
    expect(text).toBe(
      'Question: Half of 48, and 3?\nAnswer: 48 / 2 = 24\n24 + 3 = 27\n#### 27\n\n' +
        'Question: What is 2 + 2?\nAnswer:',
    );
  });
});
