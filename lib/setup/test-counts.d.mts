export interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}
export interface VitestReport {
  numPassedTests: number;
  numFailedTests: number;
  numPendingTests: number;
  numTodoTests?: number;
  testResults: { status: string; assertionResults: { status: string }[] }[];
}
export declare function countCargo(output: string): Counts;
export declare function countVitest(report: VitestReport): Counts;
export declare function sumCounts(all: Counts[]): Counts;
