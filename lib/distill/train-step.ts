/** One training step as captured programs: forward, backward, clipping and update, replayed. */
import * as tf from '@tensorflow/tfjs-core';
import { assign, Program } from '../backend/capture.js';
import { nativeBackend } from '../backend/init.js';
import type { AdamW } from './adamW.js';
import { type Batch, BatchRoom, countedLabels } from './batch.js';
import type { Objective } from './objective.js';

/** What a step came to. */
export interface StepResult {
  /** The sum of the parts' losses before the update, over the whole batch. */
  readonly loss: number;
  /** The losses by part. */
  readonly parts: Readonly<Record<string, number>>;
  /** Of all gradients together, before clipping. */
  readonly gradientNorm: number;
}

/** Options of {@link TrainStep}. */
export interface TrainStepOptions {
  /** Micro-batches that a batch is cut into, whose gradients are added up; default 1. */
  readonly accumulate?: number;
  /** Runs every operation from JavaScript, to debug an objective; default false. */
  readonly eager?: boolean;
}

/** How often a micro-batch's means count in those of the batch: `[tokens, rows]`. */
type Shares = readonly [tokens: number, rows: number];

/** Runs steps of an objective with an optimizer over its parameters. */
export class TrainStep {
  private readonly accumulate: number;
  private readonly eager: boolean;
  private readonly shares = tf.keep(tf.zeros([2])) as tf.Tensor1D;
  private room: BatchRoom | undefined;
  private programs: Partial<Record<'whole' | 'first' | 'next' | 'update', Program<tf.Tensor>>> = {};
  private sums: Record<string, tf.Tensor> = {};
  private names: string[] = [];

  constructor(
    private readonly objective: Objective,
    private readonly optimizer: AdamW,
    { accumulate = 1, eager = false }: TrainStepOptions = {},
  ) {
    if (!Number.isSafeInteger(accumulate) || accumulate < 1) {
      throw new RangeError(`accumulate must be a positive integer, got ${accumulate}`);
    }
    this.accumulate = accumulate;
    this.eager = eager;
  }

  /**
   * One step on a batch; a gradient that is not finite changes no parameter.
   *
   * @throws RangeError where the batch cannot be cut into the micro-batches.
   */
  run(batch: Batch, learningRate: number): StepResult {
    const rows = batch.batch / this.accumulate;
    if (!Number.isInteger(rows)) {
      throw new RangeError(
        `a batch of ${batch.batch} is no ${this.accumulate} equal micro-batches`,
      );
    }
    const room = this.roomFor(rows, batch);
    const counted = countedLabels(batch, 0, batch.batch);
    this.optimizer.parts.setRate(learningRate);
    let losses: number[] = [];
    for (let i = 0; i < this.accumulate; i++) {
      room.write(batch, i * rows);
      const tokens = countedLabels(batch, i * rows, rows) / Math.max(1, counted);
      assign(this.shares, Float32Array.of(...([tokens, 1 / this.accumulate] satisfies Shares)));
      const part = this.micro(i);
      losses = part.map((loss, j) => (losses[j] ?? 0) + loss);
    }
    if (this.accumulate > 1) this.execute('update', () => this.update(this.sums));
    return {
      loss: losses.reduce((sum, loss) => sum + loss, 0),
      parts: Object.fromEntries(this.names.map((name, i) => [name, losses[i] as number])),
      gradientNorm: this.optimizer.parts.finish(),
    };
  }

  /** Frees the programs and what they read. */
  dispose(): void {
    this.forget();
    tf.dispose(this.shares);
  }

  /**
   * The gradients of a micro-batch of the last batch's size by path, outside any program, each with
   * whether all its numbers are finite.
   */
  finite(batch: Batch): Map<string, boolean> {
    const rows = batch.batch / this.accumulate;
    const room = this.roomFor(rows, batch);
    const finite = new Map<string, boolean>();
    for (let i = 0; i < this.accumulate; i++) {
      room.write(batch, i * rows);
      tf.tidy(() => {
        for (const [path, gradient] of Object.entries(this.gradients().gradients)) {
          const whole = tf.all(tf.isFinite(gradient)).dataSync()[0] === 1;
          finite.set(path, whole && (finite.get(path) ?? true));
        }
      });
    }
    return finite;
  }

  private micro(i: number): number[] {
    const losses =
      this.accumulate === 1
        ? this.execute('whole', () => {
            const { gradients, losses } = this.gradients();
            this.optimizer.parts.update(gradients);
            return losses;
          })
        : this.execute(i === 0 ? 'first' : 'next', () => {
            const { gradients, losses } = this.gradients();
            for (const [path, gradient] of Object.entries(gradients)) {
              addTo(this.sums[path] as tf.Tensor, gradient, i > 0);
            }
            return losses;
          });
    return losses;
  }

  private update(gradients: Record<string, tf.Tensor>): tf.Tensor {
    this.optimizer.parts.update(gradients);
    return tf.zeros([1]);
  }

  /** Runs a body: from JavaScript, as a trace, or as the program that it became. */
  private execute(name: keyof typeof this.programs, body: () => tf.Tensor): number[] {
    if (this.eager) return tf.tidy(() => [...body().dataSync()]);
    const known = this.programs[name];
    if (known) known.replay();
    const program = known ?? Program.trace(body);
    this.programs[name] = program;
    return [...program.outputs.dataSync()];
  }

  /** The gradients of the losses, each times the micro-batch's share, and the losses `[parts]` likewise. */
  private gradients(): { gradients: Record<string, tf.Tensor>; losses: tf.Tensor } {
    const gradients: Record<string, tf.Tensor> = {};
    const losses: tf.Tensor[] = [];
    const names: string[] = [];
    const { tensors } = this.room as BatchRoom;
    for (const part of this.objective.parts(tensors)) {
      const share = tf.slice(this.shares, [part.mean === 'rows' ? 1 : 0], [1]);
      const paths = [...part.parameters.keys()];
      const { value, grads } = tf.tidy(() => {
        const loss = () => tf.mul(part.loss(), tf.reshape(share, [])) as tf.Scalar;
        return tf.engine().gradients(loss, [...part.parameters.values()]) as {
          value: tf.Tensor;
          grads: (tf.Tensor | undefined)[];
        };
      });
      const without = paths.filter((_, i) => !grads[i]);
      if (without.length > 0) {
        throw new Error(`the loss '${part.name}' does not depend on ${without.join(', ')}`);
      }
      paths.forEach((path, i) => {
        gradients[path] = grads[i] as tf.Tensor;
      });
      losses.push(tf.reshape(value, [1]));
      names.push(part.name);
    }
    this.names = names;
    return { gradients, losses: tf.concat(losses) };
  }

  private roomFor(rows: number, { length, teacher }: Batch): BatchRoom {
    const { room } = this;
    const k = teacher?.k ?? 0;
    if (room?.batch === rows && room.length === length && room.k === k) return room;
    this.forget();
    this.room = new BatchRoom(rows, length, k);
    if (this.accumulate > 1) {
      for (const [path, t] of this.objective.parameters) {
        this.sums[path] = tf.keep(tf.zeros(t.shape));
      }
    }
    return this.room;
  }

  private forget(): void {
    for (const program of Object.values(this.programs)) program.dispose();
    this.programs = {};
    tf.dispose(Object.values(this.sums));
    this.sums = {};
    this.room?.dispose();
    this.room = undefined;
  }
}

/** `sum = gradient`, or `sum += gradient`, in the sum's own memory. */
function addTo(sum: tf.Tensor, gradient: tf.Tensor, add: boolean): void {
  const backend = nativeBackend();
  const [to, from] = [backend.operand(sum), backend.operand(gradient)];
  if (add) backend.engine.run('add', [to, from, to]);
  else backend.engine.run('copy', [from, to]);
}
