export type { AccuracyOptions, AccuracyPoint } from './accuracy.js';
export { accuracyCurve, greedyAccuracy, overSeeds } from './accuracy.js';
export { answersEqual } from './answers/answersEqual.js';
export type { Verdict } from './answers/verdict.js';
export type { BootstrapOptions, Interval } from './bootstrap.js';
export { bootstrap } from './bootstrap.js';
export {
  type ChoiceScores,
  logLikelihoods,
  type ScoreChoicesOptions,
  type ScoredChoices,
  scoreChoices,
} from './choices.js';
export type { CoveragePoint, ProblemTally } from './coverage.js';
export { coverageCurve, powersOfTwo, tallyByProblem } from './coverage.js';
export type { ExtractOptions, Grade } from './extractAnswer.js';
export { extractAnswer, gradeGsm8k } from './extractAnswer.js';
export { gradeMath, type MathGrade } from './gradeMath.js';
export { GRADES, type GradedRun, gradeRun, type PassOptions } from './gradeRun.js';
export { passAtK } from './passAtK.js';
export { type RewardKind, splitSteps } from './rewards/conversation.js';
export {
  loadRewardModel,
  type RewardModel,
  type RewardModelOptions,
  rewardModel,
} from './rewards/rewardModel.js';
export { type ScoredRun, scoreRun } from './rewards/scoreRun.js';
export { mean, median, quantile, standardDeviation } from './statistics.js';
export { type Clock, recorded, secondsFor, type Throughput } from './time/clock.js';
export {
  accuracyAt,
  type Comparison,
  type Contender,
  compareInTime,
  crossing,
  timeToReach,
} from './time/crossings.js';
export { paretoFront, type Trade } from './time/pareto.js';
export { type TimePoint, timeCurve } from './time/timeCurve.js';
export {
  type ExpectationOptions,
  expectedAccuracy,
  type Measure,
  measures,
} from './votes/expectation.js';
export type { AnswerEquality, VoteOptions } from './votes/groups.js';
export { type ProblemSamples, problemSamples } from './votes/problemSamples.js';
export { type Best, bestOfN, type Majority, majorityVote, weightedBestOfN } from './votes/votes.js';
