/** A run of made-up completions, as large as one likes, written as sampling, grading and scoring write. */
import { existsSync, mkdirSync } from 'node:fs';
import type { Completion } from '../../lib/generate/index.js';
import { ColumnWriter, overviewOf, Run, RunStore } from '../../lib/results/index.js';

/** Problems of a made run. */
export const PROBLEMS = 500;

const WORDS = 'so the number of eggs in each box is then twelve times three which gives us'.split(
  ' ',
);

/** Numbers below 1, the same for the same seed. */
function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    let x = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    x = Math.imul(x ^ (x >>> 15), 0x735a2d97);
    return ((x ^ (x >>> 15)) >>> 0) / 2 ** 32;
  };
}

/** Makes a graded and scored run of `n` completions a problem; one that is there is taken. */
export function makeRun(path: string, n: number): void {
  if (existsSync(`${path}/run.json`)) {
    const { completions, expected } = overviewOf(path);
    if (completions === expected && expected === PROBLEMS * n) return;
    throw new Error(`${path}: holds another run; remove it, or give another folder`);
  }
  mkdirSync(path, { recursive: true });
  const random = randomFrom(n);
  const problems = Array.from({ length: PROBLEMS }, (_, i) => ({
    id: `made-${i}`,
    question: `Made-up question ${i}?`,
    answer: String(i),
    level: 1 + (i % 5),
    prompt: `Made-up question ${i}?`,
  }));
  const store = new RunStore(path, {
    name: 'made',
    seed: 0,
    model: { ref: 'made', family: 'llama', bytes: 0, files: [] },
    task: { name: 'made', answers: 'gsm8k' },
    problems,
    prompts: {},
    batchSize: 64,
  });
  const total = PROBLEMS * n;
  for (const _ of store.open({ identity: { made: n }, n, from: 0, to: total }));
  for (let place = 0; place < total; place++) {
    store.append(completionAt(Math.floor(place / n), place % n, random));
  }
  store.close();
  const run = new Run(path);
  const grades = new ColumnWriter(run, 'grades', 'v1', { made: true });
  const scores = new ColumnWriter(run, 'scores', 'made', { made: true });
  for (let place = 0; place < total; place++) {
    const gold = Math.floor(place / n);
    const correct = random() < 0.3;
    const answer = random() < 0.05 ? null : String(correct ? gold : Math.floor(random() * 50));
    grades.append(place, { answer, correct: answer === String(gold) });
    const steps = Array.from({ length: 2 + Math.floor(random() * 6) }, () =>
      Number(random().toPrecision(7)),
    );
    scores.append(place, { steps });
  }
  grades.close();
  scores.close();
}

function completionAt(prompt: number, sample: number, random: () => number): Completion {
  const length = 60 + Math.floor(random() * 200);
  const words = Array.from({ length }, (_, i) => WORDS[(i + sample) % WORDS.length]);
  return {
    prompt,
    sample,
    tokens: Array.from({ length }, () => Math.floor(random() * 49152)),
    text: `${words.join(' ')}.\n\nThe answer is ${prompt}.`,
    logProb: -length * random(),
    stopReason: 'eos',
    timing: {
      queueMs: 1000 * random(),
      prefillMs: 100 * random(),
      decodeMs: 9000 * random(),
      shareMs: 300 * random(),
    },
  };
}
