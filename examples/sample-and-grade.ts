/** Samples completions of test problems, grades them and prints coverage with its interval. */
import * as data from 'mambalab/data';
import * as evaluation from 'mambalab/eval';
import * as generate from 'mambalab/generate';
import * as models from 'mambalab/models';
import { formatPercent } from 'mambalab/plots';
import * as world from 'mambalab/world';
import { options } from './options.js';

const {
  model: name,
  problems: count,
  samples,
  seed,
} = options({
  model: 'small-llamba',
  problems: 8,
  samples: 8,
  seed: 1,
});

// `models.load` takes any folder, GGUF file or published name; `worldModel` is the folder of one that ships.
const ref = world.worldModel(name);
const model = models.load(ref);
const tokenizer = data.loadTokenizer(ref);

const { problems, answers } = data.loadTask('stories', { problems: count, seed });
const prompts = problems.map((problem) =>
  data.promptFor(tokenizer, problem, { style: 'question', answers }),
);

const graded: { problem: string; correct: boolean }[] = [];
const settings = { n: samples, temperature: 0.8, maxNewTokens: 192, batchSize: 64, seed };
for await (const { prompt, text } of generate.sample(model, prompts, settings)) {
  const { id, answer } = problems[prompt] as data.Problem;
  graded.push({ problem: id, correct: evaluation.gradeGsm8k(text, answer).correct });
}
model.dispose();

const tallies = evaluation.tallyByProblem(graded);
for (const { problem, correct } of tallies) console.log(`${problem}: ${correct} of ${samples}`);

console.log('\nattempts  coverage  95 % interval over problems');
const ks = evaluation.powersOfTwo(samples);
for (const { k, coverage, low, high } of evaluation.coverageCurve(tallies, ks, { seed })) {
  const interval = `${formatPercent(low)} to ${formatPercent(high)}`;
  console.log(`${String(k).padStart(8)}  ${formatPercent(coverage).padStart(8)}  ${interval}`);
}
