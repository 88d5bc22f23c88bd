import { defineConfig } from 'vitest/config';

const minute = 60_000;
const slowTests = 'test/**/*.slow.test.ts';

// Worker processes rather than threads: a native addon that crashes takes one file with it, and memory tests may call gc().
const shared = { pool: 'forks', maxWorkers: 2, execArgv: ['--expose-gc'] } as const;

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          ...shared,
          name: 'fast',
          include: ['test/**/*.test.ts'],
          exclude: [slowTests],
          testTimeout: minute,
          hookTimeout: minute,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          ...shared,
          name: 'slow',
          include: [slowTests],
          testTimeout: 20 * minute,
          hookTimeout: 20 * minute,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
