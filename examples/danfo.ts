/** A results table as a danfojs data frame, with groupby as pandas has it. */
import { openExperiment } from 'mambalab/experiment';
import * as plots from 'mambalab/plots';
import { options } from './options.js';

const { problems, samples, seed, runs } = options({
  problems: 40,
  samples: 8,
  seed: 1,
  runs: 'out/runs',
});

const experiment = openExperiment({ scale: 'mini', problems, samples, seed, runs });
const { 'Llamba-1.5M': table } = await experiment.results('gsm', ['llamba-small']);
if (table === undefined) throw new Error('the scale mini has no Llamba-1.5M');

// The table is arquero's, whose verbs do the same without a copy; danfojs is for those who think in pandas.
const frame = await plots.toDanfo(table);
frame.head(3).print();
frame.groupby(['correct']).agg({ tokens: 'mean', seconds: 'mean', promptId: 'count' }).print();
frame.groupby(['level', 'correct']).col(['tokens']).mean().sortValues('level').print();
