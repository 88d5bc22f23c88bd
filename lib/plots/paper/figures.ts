/**
 * The figures of "Thinking Slow, Fast" (arXiv 2502.20339), each from results tables and in the paper's
 * arrangement. Figure 2 is {@link inferenceTime}; Figure 7, the prompts, is text.
 */
import type { Measure } from '../../eval/index.js';
import { type Bar, bars } from '../bars.js';
import type { Figure } from '../figure.js';
import { lines } from '../lines.js';
import { panels } from '../panels.js';
import {
  bothWays,
  counted,
  measured,
  type PaperFigureOptions,
  type ResultsByModel,
} from './curves.js';

/** Figures of one measure against completions and time, under one title. */
function against(
  results: ResultsByModel,
  measures: readonly Measure[],
  title: string,
  options: PaperFigureOptions,
): Figure {
  const models = measured(results, options);
  const figures = measures.flatMap((measure) => bothWays(models, measure, options));
  return panels(figures, {
    title: options.title ?? title,
    subtitle: counted(results, options),
  });
}

/**
 * Figure 1, and Figure 5 on the second benchmark: coverage (a) against the number of completions and (b)
 * against the time to generate them, of each model.
 *
 * @throws RangeError where a table is empty or holds more than one model or task.
 */
export function coverageFigure(results: ResultsByModel, options: PaperFigureOptions = {}): Figure {
  return against(results, ['coverage'], 'Coverage of teachers and students', options);
}

/**
 * Figure 4, and Figure 6 on the second benchmark: accuracy of majority vote (a, b) and of weighted best
 * of N (c, d), against the number of completions and against time. Without a reward model's scores the
 * latter two are left out.
 *
 * @throws as {@link coverageFigure}.
 */
export function accuracyFigure(results: ResultsByModel, options: PaperFigureOptions = {}): Figure {
  const scored = measured(results, options).every(({ problems }) =>
    problems.every((p) => !p.scores.some(Number.isNaN)),
  );
  const measures: Measure[] = scored ? ['majority', 'weighted'] : ['majority'];
  return against(results, measures, 'Accuracy of teachers and students', options);
}

/**
 * Figure 3: the coverage of a teacher before and after it was finetuned on the distillation data, and
 * what else is to be set beside it.
 *
 * @throws as {@link coverageFigure}.
 */
export function finetunedTeacherFigure(
  results: ResultsByModel,
  options: PaperFigureOptions = {},
): Figure {
  return against(results, ['coverage'], "The teacher finetuned on the students' data", options);
}

/**
 * Figure 8: coverage and majority vote of students before and after supervised finetuning.
 *
 * @throws as {@link coverageFigure}.
 */
export function finetuningFigure(
  results: ResultsByModel,
  options: PaperFigureOptions = {},
): Figure {
  const models = measured(results, options);
  const measures = ['coverage', 'majority'] as const;
  const figures = measures.map((measure, i) => bothWays(models, measure, options, i === 0)[0]);
  return panels(figures, {
    title: options.title ?? 'Supervised finetuning after distillation',
    subtitle: counted(results, options),
  });
}

/**
 * Appendix A: every measure against completions and time.
 *
 * @throws as {@link coverageFigure}; RangeError where completions have no scores.
 */
export function additionalFigure(
  results: ResultsByModel,
  options: PaperFigureOptions = {},
): Figure {
  const measures = ['coverage', 'majority', 'best', 'weighted'] as const;
  return against(results, measures, 'All measures', options);
}

/** One measurement of a training run. */
export interface TrainingPoint {
  readonly tokens: number;
  readonly loss: number;
  /** The run, where there are several. */
  readonly series?: string;
}

/** What a training figure is about. */
export interface TrainingFigureOptions {
  readonly title?: string;
  readonly subtitle?: string | readonly string[];
  /** What the loss is; default `Loss`. */
  readonly loss?: string;
}

/** The unit that keeps a stage's labels of tokens short enough to stand side by side. */
function tokensUnit(points: readonly TrainingPoint[]): { divisor: number; title: string } {
  const most = points.reduce((max, { tokens }) => Math.max(max, tokens), 0);
  if (most >= 1e9) return { divisor: 1e9, title: 'Tokens (billions)' };
  if (most >= 1e6) return { divisor: 1e6, title: 'Tokens (millions)' };
  if (most >= 1e4) return { divisor: 1e3, title: 'Tokens (thousands)' };
  return { divisor: 1, title: 'Tokens' };
}

/**
 * Appendix B: the loss of a distillation against the tokens that it has seen, one panel a stage.
 *
 * @throws RangeError where there is no stage or a stage has no finite point.
 */
export function trainingFigure(
  stages: Readonly<Record<string, readonly TrainingPoint[]>>,
  options: TrainingFigureOptions = {},
): Figure {
  const figures = Object.entries(stages).map(([title, points]) => {
    const unit = tokensUnit(points);
    return lines(
      points.map(({ tokens, loss, ...rest }) => ({ x: tokens / unit.divisor, y: loss, ...rest })),
      {
        title,
        x: { title: unit.title },
        y: { title: options.loss ?? 'Loss' },
        markers: false,
        width: 320,
        height: 220,
      },
    );
  });
  return panels(figures, {
    title: options.title ?? 'Distillation, stage by stage',
    ...(options.subtitle !== undefined && { subtitle: options.subtitle }),
  });
}

/** A benchmark's result after one stage of a distillation. */
export interface StageResult {
  readonly stage: string;
  readonly benchmark: string;
  readonly accuracy: number;
  readonly low?: number;
  readonly high?: number;
}

/**
 * Figure 12 (Appendix D): accuracy after each stage, on reasoning and on general benchmarks, one panel a
 * benchmark.
 *
 * @throws RangeError where there is no result, or two of one stage and benchmark.
 */
export function stagesFigure(
  results: readonly StageResult[],
  options: TrainingFigureOptions = {},
): Figure {
  const benchmarks = [...new Set(results.map((r) => r.benchmark))];
  const figures = benchmarks.map((benchmark) => {
    const own = results.filter((r) => r.benchmark === benchmark);
    const items: Bar[] = own.map(({ stage, accuracy, low, high }) => ({
      label: stage,
      value: accuracy,
      ...(low !== undefined && high !== undefined && { low, high }),
    }));
    return bars(items, {
      title: benchmark,
      value: { title: 'Accuracy', format: 'percent' },
      width: 260,
    });
  });
  return panels(figures, {
    title: options.title ?? 'Reasoning and general knowledge, stage by stage',
    ...(options.subtitle !== undefined && { subtitle: options.subtitle }),
  });
}
