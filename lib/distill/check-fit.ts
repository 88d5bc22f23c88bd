/** Whether a student can learn from a teacher, said before anything is computed. */
import type { Model, ModelConfig } from '../models/index.js';

/** What {@link checkFit} compares beside vocabulary and layers. */
export interface Fit {
  /** Hidden states are compared. */
  readonly width?: boolean;
  /** Mixer matrices are compared. */
  readonly matrices?: boolean;
}

const heads = (config: ModelConfig) => config.nHeads;

/**
 * Checks that teacher and student fit each other.
 *
 * @throws RangeError naming each size that differs, both values, and what would fit.
 */
export function checkFit(
  recipe: string,
  teacher: Model,
  student: Model,
  { width = false, matrices = false }: Fit = {},
): void {
  const problems: string[] = [];
  const same = (what: string, of: number, and: number, remedy: string) => {
    if (of !== and) problems.push(`${what}: the teacher's ${of}, the student's ${and}; ${remedy}`);
  };
  const [t, s] = [teacher.config, student.config];
  same('vocabulary', t.vocabSize, s.vocabSize, 'both must have one tokenizer');
  if (width || matrices) {
    same('layers', t.nLayers, s.nLayers, `a student of ${t.nLayers} layers fits`);
    same('dModel', t.dModel, s.dModel, `a student of width ${t.dModel} fits`);
  }
  if (matrices) {
    if (s.family !== 'llamba') {
      problems.push(
        `family: only a Llamba has mixer matrices, the student is a ${s.family ?? 'llama'}`,
      );
    } else {
      same('heads', heads(t), heads(s), `a student of ${heads(t)} heads fits`);
    }
  }
  if (problems.length > 0) throw new RangeError(`${recipe}: ${problems.join('; ')}`);
}
