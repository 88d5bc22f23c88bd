/** Making several things that hold memory, of which one may not be had. */

/**
 * Makes one of each item, in order; where one cannot be made, those before it are disposed of.
 *
 * @throws whatever `make` throws.
 */
export function makeAll<Item, Made extends { dispose(): unknown }>(
  items: readonly Item[],
  make: (item: Item) => Made,
): Made[] {
  const made: Made[] = [];
  try {
    for (const item of items) made.push(make(item));
    return made;
  } catch (error) {
    for (const one of made) one.dispose();
    throw error;
  }
}
