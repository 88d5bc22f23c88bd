/**
 * A teacher's students: a Llamba by MOHAWK and a hybrid by reverse KL, saved as folders that `models.load`
 * reads. The defaults show that it runs; a student that reasons takes thousands of steps (docs/distillation.md).
 */
import { join } from 'node:path';
import * as data from 'mambalab/data';
import * as distill from 'mambalab/distill';
import * as models from 'mambalab/models';
import * as world from 'mambalab/world';
import { options } from './options.js';

const {
  teacher: name,
  problems,
  rows,
  steps,
  seed,
  out,
} = options({
  teacher: 'small-teacher',
  problems: 200,
  rows: 4,
  steps: 5,
  seed: 1,
  out: 'out/examples/students',
});

const ref = world.worldModel(name);
const teacher = models.load(ref) as models.Llama;
const tokenizer = data.loadTokenizer(ref);

/** Endless batches of solved training problems; `loss` says whether the prompts count too. */
function batches(loss: 'all' | 'answer'): distill.BatchSource {
  const { problems: solved, answers } = data.loadTask('stories', {
    split: 'train',
    problems,
    seed,
  });
  const documents = solved.map((problem) => {
    const messages = data.solvedMessages(problem, { style: 'question', answers });
    return distill.conversationDocument(tokenizer, problem.id, messages, loss);
  });
  return distill.packed(documents, { length: 256, batch: rows, seed });
}

/** Warm-up, stable, decay up to `peak`. */
const rate = (peak: number) => distill.schedules.wsd({ peak, steps, warmup: 0.1, decay: 0.1 });
const stage = (peak: number) => ({ steps, data: batches('all'), learningRate: rate(peak) });
const print = (what: string) => (metrics: distill.StepMetrics) =>
  console.log(`${what}, step ${metrics.step}: loss ${metrics.loss.toPrecision(5)}`);

const llamba = models.convert(teacher, { family: 'llamba', seed });
await distill.mohawk(teacher, llamba, {
  stages: { matrices: stage(2e-3), hiddenStates: stage(2e-3), logits: stage(2e-3) },
  onStep: (metrics, which) => print(which)(metrics),
});

const hybrid = models.convert(teacher, { family: 'mamba-in-llama', attentionLayers: [1, 4], seed });
await distill.mambaInLlama(teacher, hybrid, {
  steps,
  data: batches('answer'),
  learningRate: rate(2e-3),
  onStep: print('reverse KL'),
});

for (const [student, folder] of [
  [llamba, join(out, 'llamba')],
  [hybrid, join(out, 'hybrid')],
] as const) {
  const { bytes } = models.save(student, folder, { precision: 'bf16' });
  const loaded = models.load(folder);
  console.log(`${folder}: ${loaded.constructor.name}, ${bytes} bytes of weights`);
  for (const model of [student, loaded]) model.dispose();
}
teacher.dispose();
