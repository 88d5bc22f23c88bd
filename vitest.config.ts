import { join } from 'node:path';
import { defineConfig } from 'vitest/config';

const minute = 60_000;
const slowTests = 'test/**/*.slow.test.ts';
const peersTests = 'test/conformance/**/*.test.ts';

// Worker processes rather than threads: a native addon that crashes takes one file with it, and memory tests may call gc().
const shared = {
  pool: 'forks' as const,
  maxWorkers: 2,
  execArgv: ['--expose-gc'],
  // Examples import the package by its name, which is dist/: here the sources, of which tests have one copy.
  alias: [{ find: /^mambalab\/(\w+)$/, replacement: join(import.meta.dirname, 'lib/$1/index.ts') }],
};

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          ...shared,
          name: 'fast',
          include: ['test/**/*.test.ts'],
          exclude: [slowTests, peersTests],
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
      {
        test: {
          ...shared,
          name: 'conformance',
          include: [peersTests],
          testTimeout: 10 * minute,
          hookTimeout: 10 * minute,
          sequence: { groupOrder: 2 },
          // One copy of tfjs for its tests and the backend: the sources that the tests import.
          alias: [
            { find: /^(@tensorflow\/tfjs-(core|backend-cpu))$/, replacement: '$1/dist/index.js' },
          ],
          // tfjs' test files import without extensions, which Node itself does not resolve.
          server: { deps: { inline: [/@tensorflow/] } },
        },
      },
    ],
  },
});
