/** Which row of a batch holds what: places are taken, given back, and closed up. */

/** Moves that close the gaps: place `from[i]` to place `to[i]`, none of them in both. */
export interface Moves {
  readonly from: number[];
  readonly to: number[];
}

/** Places `0` to `capacity - 1`. */
export class Slots<T extends object> {
  private readonly held: (T | undefined)[] = [];
  private readonly placeOf = new Map<T, number>();
  private gaps: number[] = [];

  constructor(readonly capacity: number) {}

  /** Places that hold something. */
  get count(): number {
    return this.placeOf.size;
  }

  /** Places that hold nothing. */
  get free(): number {
    return this.capacity - this.count;
  }

  /**
   * Takes a place, a gap first.
   *
   * @throws Error where none is free.
   */
  add(item: T): number {
    if (this.free === 0) throw new Error(`all ${this.capacity} places are taken`);
    const place = this.gaps.pop() ?? this.held.length;
    this.held[place] = item;
    this.placeOf.set(item, place);
    return place;
  }

  /** Gives a place back; what holds none stays without. */
  remove(item: T): void {
    const place = this.placeOf.get(item);
    if (place === undefined) return;
    this.placeOf.delete(item);
    this.held[place] = undefined;
    this.gaps.push(place);
  }

  /** Closes the gaps with what is held last, so that the first `count` places hold everything. */
  compact(): Moves {
    const moves: Moves = { from: [], to: [] };
    const { count } = this;
    const open = this.gaps.filter((place) => place < count);
    for (let last = this.held.length - 1; last >= count; last--) {
      const item = this.held[last];
      if (item === undefined) continue;
      const place = open.pop() as number;
      moves.from.push(last);
      moves.to.push(place);
      this.held[place] = item;
      this.placeOf.set(item, place);
    }
    this.held.length = count;
    this.gaps = [];
    return moves;
  }

  /** What is held, in no order. */
  items(): T[] {
    return [...this.placeOf.keys()];
  }

  /** What the first `count` places hold, after {@link compact}. */
  all(): T[] {
    return this.held.slice() as T[];
  }
}
