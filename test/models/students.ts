/** Small students with random weights, one of each kind. */
import * as models from '../../lib/models/index.js';
import { tinyConfig, tinyLlama } from './tiny.js';

export const tinyLlamba: models.LlambaConfig = {
  family: 'llamba',
  vocabSize: 97,
  dModel: 48,
  nLayers: 3,
  nHeads: 4,
  nQkHeads: 2,
  headDim: 12,
  stateDim: 10,
  convWidth: 4,
  chunkSize: 128,
  dMlp: 80,
  blockNormEps: 1e-5,
  normEps: 1e-5,
  contextLength: 2 ** 30,
  tieEmbeddings: true,
  bosId: undefined,
  eosIds: [],
};

const mixer = { type: 'mamba', dInner: 48, dXb: 16, stateDim: 8, dtRank: 3, convWidth: 4 } as const;

export const tinyHybrid: models.MambaInLlamaConfig = {
  ...tinyConfig,
  family: 'mamba-in-llama',
  attentionLayers: [1],
  mixer,
  layout: 'm1',
};

const mamba2 = { type: 'mamba2', dInner: 48, dXb: 16, nHeads: 6, convWidth: 4 } as const;

export const tinyHybrid2: models.MambaInLlamaConfig = {
  ...tinyHybrid,
  mixer: mamba2,
  layout: 'mamba-in-llama',
};

/** A maker of each kind of student, by name; the same weights every time. */
export const makers: Record<string, (changes?: object) => models.Model> = {
  llama: (changes) => tinyLlama(changes),
  llamba: (changes) => new models.Llamba({ ...tinyLlamba, ...changes }, seeded),
  'hybrid of Mamba-1': (changes) => new models.MambaInLlama({ ...tinyHybrid, ...changes }, seeded),
  'hybrid of Mamba-2': (changes) => new models.MambaInLlama({ ...tinyHybrid2, ...changes }, seeded),
  'Mamba-1 without attention': (changes) =>
    new models.MambaInLlama({ ...tinyHybrid, attentionLayers: [], ...changes }, seeded),
};

const seeded = Object.assign(() => undefined, { seed: 11 });
