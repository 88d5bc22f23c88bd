// Samples a small model of a family into a file, for tests that kill it: node resumed-run.mjs kind file.
import * as backend from 'mambalab/backend';
import * as generate from 'mambalab/generate';
import * as models from 'mambalab/models';

const [kind, resume] = process.argv.slice(2);
const llama = {
  vocabSize: 97,
  dModel: 48,
  nLayers: 3,
  nHeads: 6,
  nKvHeads: 2,
  headDim: 8,
  dMlp: 80,
  normEps: 1e-5,
  ropeTheta: 10000,
  ropeScaling: undefined,
  contextLength: 400,
  tieEmbeddings: true,
  bosId: undefined,
  eosIds: [3, 50],
};
const mixer = { type: 'mamba', dInner: 48, dXb: 16, stateDim: 8, dtRank: 3, convWidth: 4 };
const hybrid = { ...llama, family: 'mamba-in-llama', attentionLayers: [1], mixer, layout: 'm1' };
const { nKvHeads: _, ropeTheta: __, ropeScaling: ___, ...plain } = llama;
const heads = { nQkHeads: 2, stateDim: 10, convWidth: 4, chunkSize: 128, blockNormEps: 1e-5 };
const llamba = { ...plain, ...heads, family: 'llamba' };
const weights = Object.assign(() => undefined, { seed: 3 });

backend.init({ threads: 1 });
const makers = {
  llama: () => new models.Llama(llama, weights),
  llamba: () => new models.Llamba(llamba, weights),
  hybrid: () => new models.MambaInLlama(hybrid, weights),
};
const model = makers[kind]();
const prompts = Array.from({ length: 60 }, (_, i) =>
  Array.from({ length: 1 + (i % 40) }, (_, t) => (7 * i + 13 * t + 5) % 97),
);
const options = { n: 8, maxNewTokens: 120, temperature: 1, seed: 5, batchSize: 16, resume };
for await (const _ of generate.sample(model, prompts, options));
process.stdout.write('done\n');
