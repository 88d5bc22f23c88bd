/** What a comparison says: `undecided` where it would take too long or is not known. */
export type Verdict = true | false | 'undecided';

/** True where all are; false where one is. */
export function all(verdicts: Iterable<Verdict>): Verdict {
  let result: Verdict = true;
  for (const v of verdicts) {
    if (v === false) return false;
    if (v === 'undecided') result = v;
  }
  return result;
}

/** True where one is; false where none can be. */
export function any(verdicts: Iterable<Verdict>): Verdict {
  let result: Verdict = false;
  for (const v of verdicts) {
    if (v === true) return true;
    if (v === 'undecided') result = v;
  }
  return result;
}
