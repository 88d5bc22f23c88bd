import { assign } from '../backend/index.js';
import type { Model } from '../models/index.js';

/** Writes the values of one model's parameters into another's, where both have the path. */
export function copyParameters(from: Model, to: Model): void {
  const targets = to.parameters();
  for (const [path, tensor] of from.parameters()) {
    const target = targets.get(path);
    if (target) assign(target, tensor.dataSync() as Float32Array);
  }
}
