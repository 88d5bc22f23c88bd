/** Prompts for problems: what a model is told before it answers. */
import type { ChatMessage } from './chat-template.js';
import type { Problem } from './problem.js';
import type { AnswerKind } from './tasks.js';
import type { Tokenizer } from './tokenizer.js';

/**
 * How a problem is asked.
 *
 * - `paper`: the prompts of Figure 7 of "Thinking Slow, Fast" (arXiv 2502.20339): Llama's official
 *   evaluation prompts, for MATH as the system prompt, for GSM8K around the problem. The figure is a
 *   picture; they are rebuilt here from that evaluation as it is known.
 * - `question`: the question alone, by the model's chat template.
 * - `text`: `Question: ...` and `Answer:` without a chat template, for models that know none.
 */
export type PromptStyle = 'paper' | 'question' | 'text';

/** Every style. */
export const promptStyles: readonly PromptStyle[] = ['paper', 'question', 'text'];

/** Options of {@link promptFor}. */
export interface PromptOptions {
  /** Default `paper`. */
  readonly style?: PromptStyle;
  /** How the task's answers are written, for `paper`. */
  readonly answers: AnswerKind;
  /** Another system prompt; an empty text is none. */
  readonly system?: string;
  /** Problems that are shown solved before, as earlier turns of the conversation. */
  readonly shots?: readonly Problem[];
  /** The day that chat templates with a date write; default the template's own fixed day. */
  readonly date?: string;
}

const PAPER_MATH = `Solve the following math problem efficiently and clearly:

- For simple problems (2 steps or fewer):
Provide a concise solution with minimal explanation.

- For complex problems (3 steps or more):
Use this step-by-step format:

## Step 1: [Concise description]
[Brief explanation and calculations]

## Step 2: [Concise description]
[Brief explanation and calculations]

...

Regardless of the approach, always conclude with:

Therefore, the final answer is: $\\boxed{answer}$. I hope it is correct.

Where [answer] is just the final number or expression that solves the problem.`;

const paperGsm8k = (question: string): string =>
  `Given the following problem, reason and give a final answer to the problem.
Problem: ${question}
Your response should end with "The final answer is [answer]" where [answer] is the response to the problem.`;

/**
 * The conversation that asks a problem: system prompt, solved problems, and the question.
 */
export function promptMessages(problem: Problem, options: PromptOptions): ChatMessage[] {
  const { style = 'paper', answers, shots = [] } = options;
  const isPaper = style === 'paper';
  const system = options.system ?? (isPaper && answers === 'math' ? PAPER_MATH : '');
  const ask = (question: string): string =>
    isPaper && answers === 'gsm8k' ? paperGsm8k(question) : question;
  const solve = (shot: Problem): string => writtenSolution(shot, style, answers);
  return [
    ...(system === '' ? [] : [{ role: 'system', content: system }]),
    ...shots.flatMap((shot) => [
      { role: 'user', content: ask(shot.question) },
      { role: 'assistant', content: solve(shot) },
    ]),
    { role: 'user', content: ask(problem.question) },
  ];
}

/** The conversation that asks a problem and answers it: what a model is trained on. */
export function solvedMessages(problem: Problem, options: PromptOptions): ChatMessage[] {
  const { style = 'paper', answers } = options;
  const content = writtenSolution(problem, style, answers);
  return [...promptMessages(problem, options), { role: 'assistant', content }];
}

function writtenSolution(
  { solution, answer }: Problem,
  style: PromptStyle,
  answers: AnswerKind,
): string {
  return style === 'paper'
    ? paperSolution(answers, solution, answer)
    : withoutAnnotations(solution);
}

/**
 * The text that a model is given for a problem, up to where its answer begins.
 *
 * @throws what the model's chat template throws.
 */
export function promptFor(tokenizer: Tokenizer, problem: Problem, options: PromptOptions): string {
  const { style = 'paper', date } = options;
  const messages = promptMessages(problem, options);
  if (style !== 'text') {
    return tokenizer.applyChatTemplate(messages, {
      addGenerationPrompt: true,
      ...(date !== undefined && { date }),
    });
  }
  const written = messages.map(({ role, content }) => {
    if (role === 'user') return `Question: ${content}\nAnswer:`;
    return role === 'assistant' ? ` ${content}\n\n` : `${content}\n\n`;
  });
  // What the tokenizer puts before every text, since prompts are encoded as they are.
  const start = tokenizer.decode(tokenizer.encode(''));
  return start + written.join('');
}

/** GSM8K's solutions hold calculator annotations, `<<48/2=24>>`, that no model should learn to write. */
function withoutAnnotations(solution: string): string {
  return solution.replaceAll(/<<[^<>]*>>/g, '');
}

/** A solution that ends as the paper's prompts ask for. */
function paperSolution(answers: AnswerKind, solution: string, answer: string): string {
  if (answers === 'math') {
    return `${solution}\n\nTherefore, the final answer is: $\\boxed{${answer}}$. I hope it is correct.`;
  }
  const steps = withoutAnnotations(solution).replace(/\n+####[^\n]*\s*$/, '');
  return `${steps}\nThe final answer is ${answer}`;
}
