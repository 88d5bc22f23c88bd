/** What a notebook says of its own execution, under `mambalab` in its metadata. */
import { readFileSync } from 'node:fs';
import { z } from 'zod';

const schema = z.strictObject({
  /** Whether times that it measures are results: then nothing else may run beside it. */
  measuresTime: z.boolean().default(true),
  /** By scale, as measured on two cores: seconds, and the peak of memory of nbconvert and kernel together. */
  takes: z
    .record(
      z.string(),
      z.strictObject({
        seconds: z.number().positive().optional(),
        memoryMiB: z.number().positive().optional(),
      }),
    )
    .default({}),
});

/** The hints of a notebook; one that gives none is taken to measure times. */
export type Hints = z.infer<typeof schema>;

/** @throws Error naming the notebook and what of its hints is wrong. */
export function readHints(path: string): Hints {
  const { metadata = {} } = JSON.parse(readFileSync(path, 'utf8'));
  const found = schema.safeParse(metadata.mambalab ?? {});
  if (found.success) return found.data;
  throw new Error(`${path}: metadata.mambalab: ${z.prettifyError(found.error)}`);
}
