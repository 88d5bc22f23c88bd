/** The claims of the paper, each against what was measured. */
import {
  bootstrap,
  compareInTime,
  type Interval,
  mean,
  type ProblemSamples,
  powersOfTwo,
} from '../eval/index.js';
import {
  type ComparisonOptions,
  difference,
  differenceAtSameTime,
  gain,
  type Pairs,
  pairsOf,
  speedRatio,
} from './comparisons.js';
import type { Experiment } from './experiment.js';
import type { Benchmark, Role } from './scales.js';

/** What the numbers say of a claim at this scale. */
export type Verdict = 'supported' | 'not supported' | 'undecided';

/** A claim and what was measured of it. */
export interface Finding {
  readonly claim: string;
  /** The paper's figure or section. */
  readonly where: string;
  /** What was measured. */
  readonly measure: string;
  readonly interval: Interval;
  /** How numbers are written: `points` of per cent, or a ratio `times`. */
  readonly unit: 'points' | 'times';
  readonly verdict: Verdict;
}

/** What would support a claim: more than a number, less than one, or between two. */
export type Claimed =
  | { readonly above: number }
  | { readonly below: number }
  | { readonly between: readonly [low: number, high: number] };

/**
 * A verdict: `supported` where the whole interval is as claimed, `not supported` where none of it is,
 * else `undecided`.
 */
export function verdictOf({ low, high }: Interval, claimed: Claimed): Verdict {
  if (Number.isNaN(low) || Number.isNaN(high)) return 'undecided';
  const [from, to] =
    'between' in claimed
      ? claimed.between
      : 'above' in claimed
        ? [claimed.above, Number.POSITIVE_INFINITY]
        : [Number.NEGATIVE_INFINITY, claimed.below];
  if (low > from && high < to) return 'supported';
  return high < from || low > to ? 'not supported' : 'undecided';
}

const BENCHMARKS: readonly Benchmark[] = ['math', 'gsm'];
const SIZES = ['small', 'large'] as const;
const STUDENTS = { llamba: 'Llamba', hybrid: 'MambaInLlama' } as const;
const MAIN: readonly Role[] = SIZES.flatMap((size): Role[] => [
  `teacher-${size}`,
  `llamba-${size}`,
  `hybrid-${size}`,
]);

/** "Closely matching": a student's coverage is at most this far below its teacher's. */
const CLOSE = 0.1;
/** "Negligible": a difference of at most this. */
const NEGLIGIBLE = 0.03;

/**
 * Measures every claim that the experiment's scale has the models for. Differences are paired by problem;
 * intervals hold 95 % of resamples of problems.
 */
export async function findings(experiment: Experiment): Promise<Finding[]> {
  const { seed, scale } = experiment;
  const options: ComparisonOptions = { resamples: scale.resamples, seed };
  const n = scale.samples;
  const known = new Map<string, ProblemSamples[]>();
  const problems = async (benchmark: Benchmark, role: Role): Promise<ProblemSamples[]> => {
    const key = `${benchmark} ${role}`;
    const samples =
      known.get(key) ??
      (await experiment.problems(benchmark, role, { rewards: MAIN.includes(role) }));
    known.set(key, samples);
    return samples;
  };
  const has = (...roles: readonly Role[]) => experiment.models(roles).length === roles.length;
  /** Pairs of both benchmarks and of the pairs of parts that are named, where the scale has both. */
  const pooled = async (
    parts: readonly (readonly [Role, Role])[],
    benchmarks: readonly Benchmark[] = BENCHMARKS,
  ): Promise<Pairs> => {
    const all: Pairs[number][] = [];
    for (const benchmark of benchmarks) {
      for (const [one, other] of parts) {
        if (!has(one, other)) continue;
        all.push(...pairsOf(await problems(benchmark, one), await problems(benchmark, other)));
      }
    }
    return all;
  };
  const ofSizes = (one: 'teacher' | 'llamba' | 'hybrid' | 'hybrid-sft', other: typeof one) =>
    SIZES.map((size) => [`${one}-${size}`, `${other}-${size}`] as const);
  const found: Finding[] = [];
  const say = (
    where: string,
    claim: string,
    measure: string,
    interval: Interval | undefined,
    claimed: Claimed,
    unit: Finding['unit'] = 'points',
  ) => {
    if (!interval) return;
    found.push({ where, claim, measure, interval, unit, verdict: verdictOf(interval, claimed) });
  };
  /** What is measured of pairs, where there are any. */
  const of = (pairs: Pairs, measured: (pairs: Pairs) => Interval) =>
    pairs.length > 0 ? measured(pairs) : undefined;

  // One after another: runs that are sampled here are timed.
  const everyone: ProblemSamples[] = [];
  for (const benchmark of BENCHMARKS) {
    for (const { role } of experiment.models(MAIN))
      everyone.push(...(await problems(benchmark, role)));
  }
  say(
    'Figures 1, 5',
    'Coverage rises with completions',
    `coverage with ${n} completions less with one, all models`,
    gain(everyone, ['coverage', 1], ['coverage', n], options),
    { above: 0 },
  );
  for (const [kind, name] of Object.entries(STUDENTS) as [keyof typeof STUDENTS, string][]) {
    say(
      'Figures 1a, 5a',
      `${name} closely matches its teacher's coverage`,
      `coverage with ${n} completions, student less teacher`,
      of(await pooled(ofSizes(kind, 'teacher')), (pairs) =>
        difference(pairs, 'coverage', n, options),
      ),
      { above: -CLOSE },
    );
  }
  for (const [kind, name] of Object.entries(STUDENTS) as [keyof typeof STUDENTS, string][]) {
    for (const size of SIZES) {
      say(
        'Figure 2',
        `${name} generates faster than its teacher (${size})`,
        "teacher's seconds a completion over the student's, both benchmarks",
        of(await pooled([[`${kind}-${size}`, `teacher-${size}`]]), (pairs) =>
          speedRatio(pairs, options),
        ),
        { above: 1 },
        'times',
      );
      if (!has(`${kind}-${size}`, `teacher-${size}`)) continue;
      for (const benchmark of BENCHMARKS) {
        const student = await problems(benchmark, `${kind}-${size}`);
        const teacher = await problems(benchmark, `teacher-${size}`);
        // A student may need more completions than its teacher: it has twice as many.
        const half = n >> 1;
        const { speedup } = compareInTime(
          { problems: student, ks: powersOfTwo(n) },
          { problems: teacher, ks: powersOfTwo(half) },
          'coverage',
          options,
        );
        say(
          benchmark === 'math' ? 'Figure 1b' : 'Figure 5b',
          `${name} reaches its teacher's coverage in less time (${size}, ${scale.benchmarks[benchmark].label})`,
          `teacher's time over the student's, to the teacher's coverage with ${half} completions`,
          speedup,
          { above: 1 },
          'times',
        );
      }
    }
  }
  say(
    'Figure 2',
    'MambaInLlama is slightly faster than Llamba',
    "Llamba's seconds a completion over MambaInLlama's",
    of(await pooled(ofSizes('hybrid', 'llamba')), (pairs) => speedRatio(pairs, options)),
    { above: 1 },
    'times',
  );
  for (const [kind, name] of Object.entries(STUDENTS) as [keyof typeof STUDENTS, string][]) {
    say(
      'Figures 4, 6',
      `In the same time ${name}'s majority vote is more accurate than its teacher's`,
      'majority vote, student less teacher, at the time in which the faster has all its completions',
      of(await pooled(ofSizes(kind, 'teacher')), (pairs) =>
        differenceAtSameTime(pairs, 'majority', options),
      ),
      { above: 0 },
    );
  }
  say(
    'Figures 4, 6',
    'Votes weighted by a reward model are more accurate than the majority',
    `weighted best of ${n} less majority of ${n}, all models`,
    scale.rewardModel === undefined
      ? undefined
      : gain(everyone, ['majority', n], ['weighted', n], options),
    { above: 0 },
  );
  for (const [kind, name] of Object.entries(STUDENTS) as [keyof typeof STUDENTS, string][]) {
    const larger = await pooled([[`${kind}-large`, 'teacher-small']]);
    say(
      'Section 5.2',
      `The larger ${name} is faster than the smaller teacher`,
      "smaller teacher's seconds a completion over the larger student's",
      of(larger, (pairs) => speedRatio(pairs, options)),
      { above: 1 },
      'times',
    );
    say(
      'Section 5.2',
      `In the same time the larger ${name} covers more than the smaller teacher`,
      'coverage, larger student less smaller teacher',
      of(larger, (pairs) => differenceAtSameTime(pairs, 'coverage', options)),
      { above: 0 },
    );
    say(
      'Section 5.2',
      `In the same time the larger ${name}'s majority vote beats the smaller teacher's`,
      'majority vote, larger student less smaller teacher',
      of(larger, (pairs) => differenceAtSameTime(pairs, 'majority', options)),
      { above: 0 },
    );
  }
  const tuned = await pooled(ofSizes('hybrid-sft', 'hybrid'));
  say(
    'Figure 8',
    'SFT after distillation raises accuracy',
    'one completion, MambaInLlama after SFT less before',
    of(tuned, (pairs) => difference(pairs, 'coverage', 1, options)),
    { above: 0 },
  );
  say(
    'Figure 8',
    'SFT after distillation raises coverage',
    `coverage with ${n} completions, MambaInLlama after SFT less before`,
    of(tuned, (pairs) => difference(pairs, 'coverage', n, options)),
    { above: 0 },
  );
  say(
    'Section 3.3',
    'After SFT the student surpasses its teacher',
    'one completion, MambaInLlama after SFT less its teacher',
    of(await pooled(ofSizes('hybrid-sft', 'teacher')), (pairs) =>
      difference(pairs, 'coverage', 1, options),
    ),
    { above: 0 },
  );
  const finetuned = await pooled([['teacher-finetuned', 'teacher-small']]);
  say(
    'Figure 3',
    "Finetuning the teacher on the students' data changes next to nothing",
    'one completion, teacher finetuned less teacher',
    of(finetuned, (pairs) => difference(pairs, 'coverage', 1, options)),
    { between: [-NEGLIGIBLE, NEGLIGIBLE] },
  );
  say(
    'Figures 3, 8',
    'After SFT the student surpasses even the finetuned teacher',
    'one completion, MambaInLlama after SFT less finetuned teacher (small)',
    of(await pooled([['hybrid-sft-small', 'teacher-finetuned']]), (pairs) =>
      difference(pairs, 'coverage', 1, options),
    ),
    { above: 0 },
  );
  const swapped = await pooled([['llamba-general', 'llamba-small']], ['math']);
  say(
    'Section 3.2, Appendix D',
    'General data in stage 3 costs more than ten points of mathematics',
    `one completion on ${scale.benchmarks.math.label}, general data less solved problems`,
    of(swapped, (pairs) => difference(pairs, 'coverage', 1, options)),
    { below: -0.1 },
  );
  const stages = await pooled([['llamba-small', 'llamba-2']]);
  say(
    'Figure 12',
    'Reasoning rises sharply between stages 2 and 3',
    'one completion, stage 3 less stage 2',
    of(stages, (pairs) => difference(pairs, 'coverage', 1, options)),
    { above: 0.1 },
  );
  if (scale.name !== 'mini') return found;
  const general = async (one: Role, other: Role): Promise<Interval> => {
    const [a, b] = [await experiment.general(one), await experiment.general(other)];
    return bootstrap(
      a.map((right, i) => right - (b[i] as number)),
      mean,
      options,
    );
  };
  say(
    'Section 3.2, Appendix D',
    'General data in stage 3 raises general knowledge by more than five points',
    'questions about the atlas, general data less solved problems',
    await general('llamba-general', 'llamba-small'),
    { above: 0.05 },
  );
  say(
    'Figure 12',
    'The rise between stages 2 and 3 does not show in general knowledge',
    'questions about the atlas, stage 3 less stage 2',
    await general('llamba-small', 'llamba-2'),
    { between: [-0.1, 0.1] },
  );
  return found;
}
