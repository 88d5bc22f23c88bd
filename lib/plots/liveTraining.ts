import type { Figure } from './figure.js';
import { type TrainingFigureOptions, type TrainingPoint, trainingFigure } from './paper/figures.js';
import { type Progress, progress } from './progress.js';

/** What is shown of a training step. */
export interface TrainingStep {
  readonly loss: number;
  /** Tokens read so far. */
  readonly tokens: number;
  readonly tokensPerSecond: number;
}

/** Options of {@link liveTraining}. */
export interface LiveTrainingOptions extends TrainingFigureOptions {
  /** Steps of all stages together. */
  readonly total: number;
  /** In the progress line; default `training`. */
  readonly label?: string;
}

/** Points of a stage that are drawn; of a longer run every other one is dropped, again and again. */
const MOST_POINTS = 512;

/** Milliseconds between redraws. */
const REDRAW_INTERVAL = 1000;

type NotebookDisplay = (value: unknown) => { update(value: unknown): Promise<void> };

interface Stage {
  points: TrainingPoint[];
  every: number;
  seen: number;
}

/** Loss curves that grow while a model is trained. Made by {@link liveTraining}. */
export class LiveTraining {
  private readonly stages = new Map<string, Stage>();
  private readonly bar: Progress;
  private handle: ReturnType<NotebookDisplay> | undefined;
  private drawn = Number.NEGATIVE_INFINITY;

  constructor(private readonly options: LiveTrainingOptions) {
    this.bar = progress(options.total, { label: options.label ?? 'training', unit: 'steps' });
  }

  /** Adds a step; give it to a recipe as `onStep`. */
  readonly step = (metrics: TrainingStep, stage = 'Training'): void => {
    const { loss, tokens, tokensPerSecond } = metrics;
    let own = this.stages.get(stage);
    if (!own) {
      own = { points: [], every: 1, seen: 0 };
      this.stages.set(stage, own);
    }
    if (own.seen++ % own.every === 0) own.points.push({ tokens, loss });
    if (own.points.length >= MOST_POINTS) {
      own.points = own.points.filter((_, i) => i % 2 === 0);
      own.every *= 2;
    }
    this.bar.advance(1, `loss ${loss.toPrecision(4)}, ${Math.round(tokensPerSecond)} tokens/s`);
    if (performance.now() - this.drawn >= REDRAW_INTERVAL) this.draw();
  };

  /** The last state of the progress line and the curves. */
  done(): Figure {
    this.bar.done();
    return this.draw();
  }

  private draw(): Figure {
    this.drawn = performance.now();
    const stages = [...this.stages].map(([name, { points }]) => [name, points] as const);
    const figure = trainingFigure(Object.fromEntries(stages), this.options);
    const { display } = globalThis as { display?: NotebookDisplay };
    if (typeof display === 'function') {
      if (this.handle === undefined) this.handle = display(figure);
      // Curves that cannot be drawn must not stop the training.
      else this.handle.update(figure).catch(() => undefined);
    }
    return figure;
  }
}

/**
 * Shows a training while it runs: in a notebook the loss of each stage as curves that grow in place,
 * elsewhere a progress line.
 *
 * @example
 * const live = liveTraining({ total: 300 });
 * await distill.mohawk(teacher, student, { stages, onStep: live.step });
 * live.done();
 */
export function liveTraining(options: LiveTrainingOptions): LiveTraining {
  return new LiveTraining(options);
}
