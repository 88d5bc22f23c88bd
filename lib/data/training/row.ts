/** One row of a file of training data, which is read when it is asked for. */
export interface Row {
  /** The file that it is in. */
  readonly file: string;
  /** Its place in the file, counted from 1. */
  readonly number: number;
  /** What `number` counts, for errors. */
  readonly unit: 'line' | 'row';
  /**
   * Its value; parsed, or decoded with its row group, now and not before.
   *
   * @throws CheckpointError naming the file and the row that is not valid.
   */
  read(): unknown;
}
