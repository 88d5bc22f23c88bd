import type { Command } from 'commander';
import { GRADES, type GradedRun, gradeRun } from '../../eval/index.js';
import { progress } from '../../plots/progress.js';
import { Run } from '../../results/index.js';
import { type GlobalOptions, type Io, printJson } from '../command.js';
import { missingFrom } from '../count.js';
import { interruptible } from '../interrupt.js';

function describe(path: string, { graded, completions, correct, ...rest }: GradedRun): string {
  const share = completions === 0 ? '' : ` (${((100 * correct) / completions).toFixed(1)} %)`;
  const { undecided, unanswered } = rest;
  const notes = [
    `${unanswered} without an answer`,
    ...(undecided > 0 ? [`${undecided} undecided`] : []),
    graded === completions ? '' : `${graded} graded now`,
  ].filter(Boolean);
  return `${path}: ${correct} of ${completions} right${share}, ${notes.join(', ')}\n`;
}

async function grade(io: Io, paths: readonly string[], { json }: GlobalOptions): Promise<void> {
  const results: Record<string, GradedRun> = {};
  await interruptible('the same command goes on from here', async (signal) => {
    for (const path of paths) {
      const run = new Run(path);
      const bar = json
        ? undefined
        : progress(missingFrom(run, 'grades', GRADES), { label: path, unit: 'completions' });
      try {
        const result = await gradeRun(run, { signal, onProgress: () => bar?.advance() });
        results[path] = result;
      } finally {
        bar?.done();
      }
      if (!json) io.out.write(describe(path, results[path] as GradedRun));
    }
  });
  if (json) printJson(io, results);
}

/** `grade <runs...>`: reads the answers out of completions and compares them. */
export function registerGrade(program: Command, io: Io): void {
  program
    .command('grade')
    .description("grade a run's completions: a column beside them; grades only what is new")
    .argument('<runs...>', 'folders of runs')
    .addHelpText(
      'after',
      '\nA run can be graded while it is sampled, and again when there is more of it.\n\nExamples:\n  mambalab grade runs/smollm2-135m-instruct-gsm8k-seed0\n  mambalab grade runs/*',
    )
    .action((paths: string[], _options, command: Command) =>
      grade(io, paths, command.optsWithGlobals<GlobalOptions>()),
    );
}
