/** The objectives of the recipes. */
import * as tf from '@tensorflow/tfjs-core';
import type { BlockContext, ResidualBlock } from '../layers/index.js';
import type { Model } from '../models/index.js';
import type { BatchTensors } from './batch.js';
import * as losses from './losses.js';
import type { Objective, ObjectivePart } from './objective.js';

/** How a whole model is trained. */
export interface WholeOptions {
  /** Computes the insides of blocks again in the backward pass; default false. */
  checkpoint?: boolean;
}

/** Hidden states after the last norm and the output matrix, which make a model's logits. */
export function headOf(
  model: Model,
  { tokens, resets }: BatchTensors,
  checkpoint = false,
): losses.Head {
  const hidden = model.read(tokens, { resets, checkpoint });
  const rows = tokens.size;
  return {
    hidden: tf.reshape(hidden, [rows, model.config.dModel]),
    weight: model.headWeight,
  };
}

/** Cross-entropy of the next token: supervised fine-tuning, and training from nothing. */
export function nextToken(student: Model, { checkpoint = false }: WholeOptions = {}): Objective {
  const parameters = student.parameters();
  return {
    parameters,
    *parts(batch) {
      const { labels, mask } = batch;
      const loss = () =>
        losses.crossEntropy({ logits: headOf(student, batch, checkpoint), labels, mask });
      yield { name: 'cross-entropy', parameters, loss };
    },
  };
}

/** Options of {@link logits}. */
export interface LogitsOptions extends WholeOptions {
  /** Which divergence of the student from the teacher. */
  divergence: 'forward' | 'reverse';
  /** Default 1. */
  temperature?: number;
  /** What the divergence counts; default 1. */
  klWeight?: number;
  /** What the cross-entropy of the data's own tokens counts; default 0. */
  ceWeight?: number;
}

/**
 * The student's distributions over the next token held against the teacher's.
 *
 * @param teacher the model, read in each step; or `cached`: the batches bring what was kept of it.
 */
export function logits(
  student: Model,
  teacher: Model | 'cached',
  options: LogitsOptions,
): Objective {
  const { divergence, temperature = 1, klWeight = 1, ceWeight = 0, checkpoint = false } = options;
  const parameters = student.parameters();
  const kl = divergence === 'forward' ? losses.forwardKL : losses.reverseKL;
  return {
    parameters,
    *parts(batch) {
      const { labels, mask } = batch;
      const teachers = teacher === 'cached' ? batch.teacher : headOf(teacher, batch);
      if (!teachers) throw new Error('logits: the batches bring nothing of a teacher from a cache');
      const loss = () => {
        const own = headOf(student, batch, checkpoint);
        const terms: tf.Scalar[] = [];
        if (klWeight > 0) {
          const apart = kl({ student: own, teacher: teachers, mask, temperature });
          terms.push(tf.mul(apart, klWeight) as tf.Scalar);
        }
        if (ceWeight > 0) {
          const plain = losses.crossEntropy({ logits: own, labels, mask });
          terms.push(tf.mul(plain, ceWeight) as tf.Scalar);
        }
        return tf.addN(terms) as tf.Scalar;
      };
      yield { name: `${divergence} KL`, parameters, loss };
    },
  };
}

/** The parameters of some kinds of every block, by the path that the model gives them. */
function blockParameters(
  student: Model,
  belongs: (path: string) => boolean,
): ReadonlyMap<string, tf.Tensor>[] {
  return student.blocks.map((block, i) => {
    const prefix = `layers.${i}`;
    const all = [...block.parametersByPath(prefix)];
    return new Map(all.filter(([path]) => belongs(path.slice(prefix.length + 1))));
  });
}

/** An objective of one loss a layer, from the teacher's input of that layer. */
function layerByLayer(
  student: Model,
  teacher: Model,
  trained: readonly ReadonlyMap<string, tf.Tensor>[],
  mean: 'tokens' | 'rows',
  loss: (
    layer: { own: ResidualBlock; teachers: ResidualBlock; input: tf.Tensor3D; output: tf.Tensor3D },
    batch: BatchTensors,
    context: BlockContext,
  ) => () => tf.Scalar,
): Objective {
  return {
    parameters: new Map(trained.flatMap((parameters) => [...parameters])),
    *parts(batch): Generator<ObjectivePart> {
      const { tokens, resets } = batch;
      const states = teacher.layerStates(tokens, { resets });
      const context = teacher.sequence({ resets });
      for (const [i, own] of student.blocks.entries()) {
        const parameters = trained[i] as ReadonlyMap<string, tf.Tensor>;
        if (parameters.size === 0) continue;
        const [input, output] = states.slice(i, i + 2) as [tf.Tensor3D, tf.Tensor3D];
        const teachers = teacher.blocks[i] as ResidualBlock;
        const body = loss({ own, teachers, input, output }, batch, context);
        yield { name: `layer ${i}`, parameters, loss: body, mean };
      }
    },
  };
}

/** What the mixer matrix depends on. */
const MATRIX = /^mixer\.(xBC|a|convWeight|convBias|D)$/;

/**
 * MOHAWK's first stage: the mixer matrix of every layer against the teacher's attention, from the
 * teacher's input of the layer. Only what the matrix depends on is trained.
 */
export function matrices(student: Model, teacher: Model): Objective {
  const trained = blockParameters(student, (path) => MATRIX.test(path));
  return layerByLayer(student, teacher, trained, 'rows', (layer, { resets }, context) => {
    const target = layer.teachers.mixerMatrix(layer.input, context);
    return () =>
      losses.matrixOrientation({
        student: layer.own.mixerMatrix(layer.input, { resets }),
        teacher: target,
      });
  });
}

/** Options of {@link hiddenStates}. */
export interface HiddenStatesOptions {
  /**
   * Whether whole blocks are compared and trained, MLP and norms too, as the paper does; else the
   * mixers alone, the rest frozen, as MOHAWK was published.
   */
  mlp: boolean;
}

/** MOHAWK's second stage: the hidden states of every layer, from the teacher's input of the layer. */
export function hiddenStates(
  student: Model,
  teacher: Model,
  { mlp }: HiddenStatesOptions,
): Objective {
  const trained = blockParameters(student, (path) => mlp || path.startsWith('mixer.'));
  return layerByLayer(student, teacher, trained, 'tokens', (layer, { resets, mask }, context) => {
    const { own, teachers, input, output } = layer;
    if (mlp) {
      const loss = () =>
        losses.hiddenAlignment({
          student: own.call(input, { resets }),
          teacher: output,
          mask,
        });
      return loss;
    }
    const target = teachers.mixed(input, context);
    return () =>
      losses.hiddenAlignment({ student: own.mixed(input, { resets }), teacher: target, mask });
  });
}
