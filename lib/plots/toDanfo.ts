import type { ColumnTable } from 'arquero';
import type { DataFrame } from 'danfojs-node';

/**
 * Hands an arquero table over as a danfojs data frame of the same columns and rows. danfojs is only
 * loaded here, because it takes a while.
 *
 * @throws RangeError for a table without rows, of which danfojs makes no frame
 */
export async function toDanfo(table: ColumnTable): Promise<DataFrame> {
  if (table.numRows() === 0) {
    throw new RangeError('toDanfo: expected a table with at least one row, got none');
  }
  const danfo = await import('danfojs-node');
  const columns = table
    .columnNames()
    .map((name) => [name, Array.from(table.array(name) as ArrayLike<unknown>)]);
  return new danfo.DataFrame(Object.fromEntries(columns) as object);
}
