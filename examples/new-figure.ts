/** A figure that the paper does not have: accuracy by the level of the problems, a teacher beside its student. */
import * as evaluation from 'mambalab/eval';
import { openExperiment } from 'mambalab/experiment';
import * as plots from 'mambalab/plots';
import type { ResultsTable } from 'mambalab/results';
import { options } from './options.js';

const { problems, samples, seed, runs, out } = options({
  problems: 40,
  samples: 8,
  seed: 1,
  runs: 'out/runs',
  out: 'out/examples/accuracy-by-level.svg',
});

// Sampled and graded at the first call, read from `runs` at the next.
const experiment = openExperiment({ scale: 'mini', problems, samples, seed, runs });
const results = await experiment.results('gsm', ['teacher-small', 'llamba-small']);

/** The mean share of right completions at each level, with its 95 % interval over problems. */
function byLevel(series: string, table: ResultsTable): plots.LinePoint[] {
  const asked = evaluation.problemSamples(table);
  const levels = [...new Set(asked.flatMap(({ level }) => level ?? []))].sort((a, b) => a - b);
  return levels.map((level) => {
    const shares = asked
      .filter((problem) => problem.level === level)
      .map(({ correct }) => evaluation.mean(Array.from(correct)));
    const { estimate, low, high } = evaluation.bootstrap(shares, evaluation.mean, { seed });
    return { series, x: level, y: estimate, low, high };
  });
}

const points = Object.entries(results).flatMap(([model, table]) => byLevel(model, table));
for (const { series, x, y, low = y, high = y } of points) {
  const interval = `${plots.formatPercent(low)} to ${plots.formatPercent(high)}`;
  console.log(`${series}, level ${x}: ${plots.formatPercent(y)} (${interval})`);
}

const figure = plots.lines(points, {
  title: 'Accuracy by level',
  subtitle: experiment.caption,
  x: { title: 'Level of the problem' },
  y: { title: 'Right at the first try', format: 'percent' },
});
await figure.save(out);
console.log(out);
