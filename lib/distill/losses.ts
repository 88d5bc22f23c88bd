/**
 * What students are trained on: each a scalar with the student's gradient.
 *
 * Where a student or teacher is given as hidden states and output matrix, its logits are made some
 * tokens at a time and never lie in memory as a whole.
 */
import * as tf from '@tensorflow/tfjs-core';
import { crossEntropy as rowCrossEntropy } from '../backend/custom/cross-entropy.js';
import { divergence } from '../backend/custom/divergence.js';
import {
  type Head,
  headCrossEntropy,
  headDivergence,
  headTopKDivergence,
} from '../backend/custom/head-loss.js';
import { rowDistance } from '../backend/custom/row-distance.js';
import { type TopK, topKDivergence } from '../backend/custom/top-k-divergence.js';

export type { Head } from '../backend/custom/head-loss.js';
export type { TopK } from '../backend/custom/top-k-divergence.js';

/** Logits `[tokens, vocab]`, or what they are made of. */
export type Logits = tf.Tensor2D | Head;

/** Operands of {@link crossEntropy}. */
export interface CrossEntropyInputs {
  logits: Logits;
  /** int32 `[tokens]`. */
  labels: tf.Tensor1D;
  /** Tokens that count: not 0, `[tokens]`. Default: all. */
  mask?: tf.Tensor1D;
}

/** Operands of {@link forwardKL} and {@link reverseKL}. */
export interface DivergenceInputs {
  student: Logits;
  /**
   * Has no gradient. Of a teacher cut to its likeliest tokens, the divergence is that over those and one
   * outcome for all others.
   */
  teacher: Logits | TopK;
  /** Tokens that count: not 0, `[tokens]`. Default: all. */
  mask?: tf.Tensor1D;
  /**
   * Divides both logits, or the student's and is what the teacher's were cut at; default 1. The loss is not
   * multiplied by its square.
   */
  temperature?: number;
}

const isHead = (logits: Logits): logits is Head => !(logits instanceof tf.Tensor);

const isTopK = (logits: Logits | TopK): logits is TopK =>
  !(logits instanceof tf.Tensor) && 'ids' in logits;

const tokensOf = (logits: Logits) => (isHead(logits) ? logits.hidden : logits).shape[0];

/** 1 / count for each of the rows that count, else 0: sums become means over the unmasked. */
function meanWeights(name: string, rows: number, mask: tf.Tensor1D | undefined): tf.Tensor1D {
  if (!mask) return tf.fill([rows], 1 / rows);
  if (mask.rank !== 1 || mask.size !== rows) {
    throw new Error(`${name}: mask must have shape [${rows}], got [${mask.shape}]`);
  }
  const counted = tf.cast(tf.notEqual(mask, 0), 'float32');
  return tf.div(counted, tf.maximum(tf.sum(counted), 1));
}

/**
 * The mean over unmasked tokens of `log sum exp logits - logits[label]`; 0 where all are masked.
 *
 * @throws Error naming the row of an unmasked label that is no class.
 */
export function crossEntropy({ logits, labels, mask }: CrossEntropyInputs): tf.Scalar {
  return tf.tidy(() => {
    const weights = meanWeights('crossEntropy', tokensOf(logits), mask);
    if (isHead(logits)) return headCrossEntropy(logits, labels, weights);
    return tf.sum(rowCrossEntropy(logits, labels, weights)) as tf.Scalar;
  });
}

/** Both divergences. */
function kl(name: string, inputs: DivergenceInputs, reverse: boolean): tf.Scalar {
  const { student, teacher, mask, temperature = 1 } = inputs;
  return tf.tidy(() => {
    const weights = meanWeights(name, tokensOf(student), mask);
    const options = { reverse, temperature };
    if (isTopK(teacher)) {
      if (isHead(student)) return headTopKDivergence(student, teacher, weights, options);
      return tf.sum(topKDivergence(student, teacher, weights, options)) as tf.Scalar;
    }
    if (isHead(student)) return headDivergence(student, teacher, weights, options);
    if (isHead(teacher)) {
      throw new Error(`${name}: a teacher's head needs a student's head, got a student's logits`);
    }
    return tf.sum(divergence(student, teacher, weights, options)) as tf.Scalar;
  });
}

/**
 * The mean over unmasked tokens of `sum_v p_teacher (log p_teacher - log p_student)`, in nats: covers
 * what the teacher does (Hinton et al. 2015).
 */
export function forwardKL(inputs: DivergenceInputs): tf.Scalar {
  return kl('forwardKL', inputs, false);
}

/**
 * The mean over unmasked tokens of `sum_v p_student (log p_student - log p_teacher)`, in nats: keeps to
 * what the teacher does most (the paper, section 3, for MambaInLlama).
 */
export function reverseKL(inputs: DivergenceInputs): tf.Scalar {
  return kl('reverseKL', inputs, true);
}

/**
 * MOHAWK's first stage: the mean over batch and heads of the Frobenius norm of the student's mixer
 * matrix less the teacher's attention (Bick et al. 2024, section 4.1).
 *
 * @param inputs both `[batch, heads, length, length]`; the teacher has no gradient.
 */
export function matrixOrientation(inputs: {
  student: tf.Tensor4D;
  teacher: tf.Tensor4D;
}): tf.Scalar {
  const { student, teacher } = inputs;
  const [b, h, l, m] = student.shape;
  if (student.rank !== 4 || !tf.util.arraysEqual(student.shape, teacher.shape)) {
    throw new Error(
      'matrixOrientation: student and teacher [batch, heads, length, length] must agree, got ' +
        `[${student.shape}] and [${teacher.shape}]`,
    );
  }
  return tf.tidy(() => {
    const rows = (t: tf.Tensor) => tf.reshape(t, [b * h, l * m]) as tf.Tensor2D;
    const weights = meanWeights('matrixOrientation', b * h, undefined);
    return tf.sum(rowDistance(rows(student), rows(teacher), weights)) as tf.Scalar;
  });
}

/**
 * MOHAWK's second stage: the mean over unmasked tokens of the Euclidean norm of the student's hidden
 * state less the teacher's (Bick et al. 2024, section 4.2).
 *
 * @param inputs both `[..., d]`; the mask has one number a token. The teacher has no gradient.
 */
export function hiddenAlignment(inputs: {
  student: tf.Tensor;
  teacher: tf.Tensor;
  mask?: tf.Tensor;
}): tf.Scalar {
  const { student, teacher, mask } = inputs;
  const d = student.shape[student.rank - 1];
  if (!d || !tf.util.arraysEqual(student.shape, teacher.shape)) {
    throw new Error(
      `hiddenAlignment: student and teacher [..., d] must agree, got [${student.shape}] and ` +
        `[${teacher.shape}]`,
    );
  }
  return tf.tidy(() => {
    const rows = (t: tf.Tensor) => tf.reshape(t, [t.size / d, d]) as tf.Tensor2D;
    const flat = mask && (tf.reshape(mask, [mask.size]) as tf.Tensor1D);
    const weights = meanWeights('hiddenAlignment', student.size / d, flat);
    return tf.sum(rowDistance(rows(student), rows(teacher), weights)) as tf.Scalar;
  });
}
