// Counts of passed, failed and skipped tests from what the test runners say.

/** Sums cargo's "test result:" lines, one for each test binary and for the documentation's examples. */
export function countCargo(output) {
  const line = /^test result: \S+ (\d+) passed; (\d+) failed; (\d+) ignored/gm;
  const counts = [...output.matchAll(line)].map(([, passed, failed, skipped]) => ({
    passed: Number(passed),
    failed: Number(failed),
    skipped: Number(skipped),
  }));
  return sumCounts(counts);
}

/** Counts of vitest's JSON report; a file that failed before any of its tests ran counts as one failure. */
export function countVitest(report) {
  const broken = report.testResults.filter(
    ({ status, assertionResults }) =>
      status === 'failed' && !assertionResults.some((test) => test.status === 'failed'),
  );
  return {
    passed: report.numPassedTests,
    failed: report.numFailedTests + broken.length,
    skipped: report.numPendingTests + (report.numTodoTests ?? 0),
  };
}

export function sumCounts(all) {
  const total = { passed: 0, failed: 0, skipped: 0 };
  for (const counts of all) for (const key of Object.keys(total)) total[key] += counts[key];
  return total;
}
