/** Runs of words of test problems, found in other texts in one pass. */

/** Where a run of words is: in the problem `problem`, from its word `at` on. */
export interface RunPlace {
  readonly problem: number;
  readonly at: number;
}

const base = 0x9e3779b1;

/** Runs of one length, by hash; a hash says nothing until its words were compared. */
class RunsOfLength {
  private readonly byHash = new Map<number, RunPlace[]>();
  private readonly highest: number;

  constructor(
    readonly length: number,
    private readonly problems: readonly Int32Array[],
  ) {
    let power = 1;
    for (let i = 1; i < length; i++) power = Math.imul(power, base);
    this.highest = power;
  }

  add(place: RunPlace): void {
    const words = this.problems[place.problem] as Int32Array;
    let hash = 0;
    for (let i = 0; i < this.length; i++) {
      hash = (Math.imul(hash, base) + (words[place.at + i] as number) + 1) | 0;
    }
    const there = this.byHash.get(hash);
    if (there) there.push(place);
    else this.byHash.set(hash, [place]);
  }

  /** Calls `found` with the places of every run that stands in the words; unknown words are below 0. */
  find(words: Int32Array, found: (place: RunPlace) => void): void {
    const { length, highest } = this;
    let hash = 0;
    let known = 0;
    for (let i = 0; i < words.length; i++) {
      const word = words[i] as number;
      if (word < 0) {
        hash = 0;
        known = 0;
        continue;
      }
      if (known === length) {
        hash = (hash - Math.imul((words[i - length] as number) + 1, highest)) | 0;
      } else {
        known++;
      }
      hash = (Math.imul(hash, base) + word + 1) | 0;
      if (known < length) continue;
      const places = this.byHash.get(hash);
      if (!places) continue;
      const start = i - length + 1;
      for (const place of places) if (this.isAt(words, start, place)) found(place);
    }
  }

  private isAt(words: Int32Array, start: number, { problem, at }: RunPlace): boolean {
    const own = this.problems[problem] as Int32Array;
    for (let i = 0; i < this.length; i++) if (own[at + i] !== words[start + i]) return false;
    return true;
  }
}

/** The runs of `n` words of some problems; a problem with fewer words is one run. */
export class OverlapIndex {
  private readonly numbers = new Map<string, number>();
  private readonly runs = new Map<number, RunsOfLength>();
  private readonly problems: Int32Array[];

  constructor(
    problems: readonly (readonly string[])[],
    private readonly n: number,
  ) {
    this.problems = problems.map((words) => Int32Array.from(words, (word) => this.number(word)));
    for (const [problem, words] of this.problems.entries()) {
      if (words.length === 0) continue;
      const length = this.lengthOf(problem);
      const runs = this.runs.get(length) ?? new RunsOfLength(length, this.problems);
      this.runs.set(length, runs);
      for (let at = 0; at + length <= words.length; at++) runs.add({ problem, at });
    }
  }

  /** Words of a run of a problem: `n`, or all of them. */
  lengthOf(problem: number): number {
    return Math.min(this.n, (this.problems[problem] as Int32Array).length);
  }

  /** Runs that a problem has. */
  runsOf(problem: number): number {
    return (this.problems[problem] as Int32Array).length - this.lengthOf(problem) + 1;
  }

  /** Calls `found` with every run of a problem that stands in the words, as often as it does. */
  find(words: readonly string[], found: (place: RunPlace) => void): void {
    const numbers = Int32Array.from(words, (word) => this.numbers.get(word) ?? -1);
    for (const runs of this.runs.values()) runs.find(numbers, found);
  }

  private number(word: string): number {
    const number = this.numbers.get(word) ?? this.numbers.size;
    this.numbers.set(word, number);
    return number;
  }
}
