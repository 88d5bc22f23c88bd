import { describe, expect, it } from 'vitest';
import { countCargo, countVitest, sumCounts } from '#setup/test-counts.mjs';

describe('counts of tests', () => {
  it("adds cargo's lines", () => {
    const output = [
      'running 3 tests',
      'test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s',
      'test result: FAILED. 5 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out',
    ].join('\n');
    expect(countCargo(output)).toEqual({ passed: 7, failed: 1, skipped: 1 });
    expect(countCargo('error: could not compile')).toEqual({ passed: 0, failed: 0, skipped: 0 });
  });

  it("reads vitest's report; a file that did not load is a failure", () => {
    const report = {
      numPassedTests: 4,
      numFailedTests: 1,
      numPendingTests: 2,
      numTodoTests: 0,
      testResults: [
        { status: 'passed', assertionResults: [{ status: 'passed' }] },
        { status: 'failed', assertionResults: [{ status: 'failed' }] },
        { status: 'failed', assertionResults: [] },
      ],
    };
    expect(countVitest(report)).toEqual({ passed: 4, failed: 2, skipped: 2 });
  });

  it('adds runners', () => {
    const one = { passed: 1, failed: 0, skipped: 2 };
    expect(sumCounts([one, one])).toEqual({ passed: 2, failed: 0, skipped: 4 });
  });
});
