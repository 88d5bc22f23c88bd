import { join } from 'node:path';
import { root } from '#setup/places.mjs';
import { CheckpointError } from '../models/files/errors.js';
import { readJsonl } from './jsonl.js';
import { goldAnswer, type Problem, textFields } from './problem.js';

/**
 * The dozen grade-school problems that come with mambalab (data/problems/grade-school.jsonl):
 * written for it in the manner of GSM8K, easy enough that a small model gets some of them right.
 *
 * @param path another file of the same form: id, question, answer and solution on each line.
 * @throws CheckpointError naming the file and line of a row that is not valid.
 */
export function loadProblems(
  path = join(root, 'data', 'problems', 'grade-school.jsonl'),
): Problem[] {
  const problems: Problem[] = [];
  const ids = new Set<string>();
  for (const { value, line } of readJsonl(path)) {
    const where = `line ${line}`;
    const keys = ['id', 'question', 'answer', 'solution'] as const;
    const problem = textFields(path, where, value, keys);
    if (ids.has(problem.id)) throw new CheckpointError(path, where, 'a new id', problem.id);
    ids.add(problem.id);
    const gold = goldAnswer(path, where, problem.solution);
    if (gold !== problem.answer) {
      throw new CheckpointError(path, where, `the solution's answer ${gold}`, problem.answer);
    }
    problems.push(problem);
  }
  return problems;
}
