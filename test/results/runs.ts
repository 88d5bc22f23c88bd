/** Runs on the disk for tests, written as sampling writes them. */
import { join } from 'node:path';
import type { Completion } from '../../lib/generate/index.js';
import { type RunAbout, type RunProblem, RunStore } from '../../lib/results/index.js';

export interface MadeRun {
  readonly problems?: number;
  readonly n?: number;
  readonly name?: string;
  readonly seed?: number;
  readonly range?: { from: number; to: number };
  /** Which completions are there; default all of the range. */
  readonly places?: readonly number[];
  readonly text?: (prompt: number, sample: number) => string;
  readonly answers?: string;
}

export function problemsOf(count: number): RunProblem[] {
  return Array.from({ length: count }, (_, i) => ({
    id: `p-${i}`,
    question: `What is ${i} + ${i}?`,
    answer: String(2 * i),
    level: 1 + (i % 5),
    prompt: `Question: What is ${i} + ${i}?\nAnswer:`,
  }));
}

export function completion(prompt: number, sample: number, text: string): Completion {
  return {
    prompt,
    sample,
    tokens: Array.from({ length: 3 + sample }, (_, i) => i),
    text,
    logProb: -1.5,
    stopReason: sample % 2 === 0 ? 'eos' : 'length',
    timing: { queueMs: 1, prefillMs: 20, decodeMs: 300, shareMs: 40 + prompt },
  };
}

export function aboutOf(made: MadeRun = {}): RunAbout {
  const { problems = 4, name = 'tiny', seed = 3, answers = 'gsm8k' } = made;
  return {
    name,
    seed,
    model: { ref: 'tiny', family: 'llama', bytes: 10, files: [] },
    task: { name: 'sums', answers },
    problems: problemsOf(problems),
    prompts: { style: 'text' },
    batchSize: 8,
  };
}

export function openedOf({ problems = 4, n = 3, name = 'tiny', seed = 3, range }: MadeRun = {}) {
  const identity = { weights: name, sampling: { n, seed }, ...(range && { range }) };
  return { identity, n, from: range?.from ?? 0, to: range?.to ?? problems * n };
}

/** Right for the first sample of each problem, wrong for the second, silent for the third. */
export function answerText(prompt: number, sample: number): string {
  const said = [
    `The answer is ${2 * prompt}.`,
    'It is #### 999',
    'Nobody "knows",\nsays the text.',
  ];
  return said[sample % 3] as string;
}

export function makeRun(path: string, made: MadeRun = {}): string {
  const { n = 3, text = answerText } = made;
  const opened = openedOf(made);
  const store = new RunStore(path, aboutOf(made));
  for (const _ of store.open(opened));
  const { from, to } = opened;
  const places = made.places ?? Array.from({ length: to - from }, (_, i) => from + i);
  for (const place of places) {
    const [prompt, sample] = [Math.floor(place / n), place % n];
    store.append(completion(prompt, sample, text(prompt, sample)));
  }
  store.close();
  return path;
}

export const fileOf = (run: string, name = 'completions.jsonl'): string => join(run, name);
