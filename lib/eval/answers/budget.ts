/** Work that one comparison may do, in steps: the same on every machine, unlike a clock. */
export class Budget {
  private left: number;

  constructor(steps = 20_000) {
    this.left = steps;
  }

  /** @throws OverBudget where the steps are used up. */
  spend(steps = 1): void {
    this.left -= steps;
    if (this.left < 0) throw new OverBudget();
  }
}

/** A comparison that would take too long, or whose numbers would grow too large. */
export class OverBudget extends Error {
  constructor() {
    super('the comparison is too large');
  }
}

/** Text that is not mathematics as these readers know it. */
export class Unreadable extends Error {}
