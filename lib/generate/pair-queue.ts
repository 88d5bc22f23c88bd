/** Which completions a run has yet to begin: pairs `prompt * n + sample`, the smallest first. */

/** The pairs `from` to `to - 1` without those that are finished; pairs may come back. */
export class PairQueue {
  /** In ascending order, all before `next`. */
  private returned: number[] = [];

  constructor(
    private next: number,
    private readonly to: number,
    private readonly finished: ReadonlySet<number>,
  ) {}

  /** The pair that comes next; none where all were taken. */
  get first(): number | undefined {
    if (this.returned.length > 0) return this.returned[0];
    while (this.finished.has(this.next)) this.next++;
    return this.next < this.to ? this.next : undefined;
  }

  /** Takes the first pair. */
  shift(): number | undefined {
    const { first } = this;
    if (this.returned.length > 0) this.returned.shift();
    else if (first !== undefined) this.next++;
    return first;
  }

  /** Gives a pair back that was taken. */
  putBack(pair: number): void {
    this.returned.push(pair);
    this.returned.sort((a, b) => a - b);
  }
}
