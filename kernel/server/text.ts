// Jupyter counts positions in code points, JavaScript in UTF-16 units.

/** Position in UTF-16 units of a position in code points. */
export function toUnits(text: string, points: number): number {
  return [...text].slice(0, points).join('').length;
}

/** Position in code points of a position in UTF-16 units. */
export function toPoints(text: string, units: number): number {
  return [...text.slice(0, units)].length;
}
