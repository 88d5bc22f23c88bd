/** What a training will take, worked out before anything is allocated. */
import { type ModelConfig, plan } from '../models/index.js';

/** What {@link estimate} is told. */
export interface EstimateInputs {
  readonly student: ModelConfig;
  /** Read beside it in each step; none in fine-tuning. */
  readonly teacher?: { readonly config: ModelConfig; readonly bytes: number };
  /** Share of the student's numbers that are trained; default 1. */
  readonly trained?: number;
  readonly steps: number;
  /** Rows of a step and their length. */
  readonly batch: number;
  readonly length: number;
  readonly accumulate?: number;
  readonly checkpoint?: boolean;
  /** The model's weights are rounded copies of the optimizer's. */
  readonly masters?: boolean;
  /** Operations a second that products reach here (`backend.measureRates`). */
  readonly flopsPerSecond: number;
}

/** What a training takes, about. */
export interface Estimate {
  readonly parameters: number;
  readonly trainedParameters: number;
  readonly steps: number;
  readonly tokens: number;
  /** Weights, gradients, moments, masters, the teacher, activations and scratch. */
  readonly memoryBytes: number;
  readonly seconds: number;
}

/** Share of the products' rate that whole steps reach (docs/performance.md, training). */
const STEP_SHARE = 0.7;

/** Memory of the pool over what is asked of it, which it rounds up. */
const POOL = 1.25;

const FLOAT = 4;

/**
 * Floats that the backward pass needs of a layer for each token: inputs of norms and products, the mixer's
 * projections before and after its convolution, its output, and three widths of the MLP.
 */
function keptOfLayer({ dModel, dMlp }: ModelConfig): number {
  return 14 * dModel + 3 * dMlp;
}

/**
 * Memory and time of a training, from its sizes.
 *
 * The time counts 2 operations for each parameter and token of the teacher, 6 of the student, 8 where
 * blocks are computed again, at 0.7 of the products' measured rate.
 */
export function estimate(inputs: EstimateInputs): Estimate {
  const { student, teacher, trained = 1, steps, batch, length } = inputs;
  const { accumulate = 1, checkpoint = false, masters = false, flopsPerSecond } = inputs;
  const { parameters } = plan(student);
  const trainedParameters = Math.round(trained * parameters);
  const micro = (batch / accumulate) * length;
  const layers = checkpoint
    ? 1 + student.nLayers * (student.dModel / keptOfLayer(student))
    : student.nLayers;
  const activations = micro * layers * keptOfLayer(student);
  const output = student.vocabSize * student.dModel;
  const floats =
    parameters +
    (3 + Number(accumulate > 1) + Number(masters)) * trainedParameters +
    POOL * activations +
    // The output matrix's gradient stands beside that of the embedding and their sum.
    3 * output;
  const tokens = steps * batch * length;
  const perToken =
    (checkpoint ? 8 : 6) * parameters + (teacher ? 2 * plan(teacher.config).parameters : 0);
  return {
    parameters,
    trainedParameters,
    steps,
    tokens,
    memoryBytes: FLOAT * floats + (teacher?.bytes ?? 0),
    seconds: (tokens * perToken) / (STEP_SHARE * flopsPerSecond),
  };
}
