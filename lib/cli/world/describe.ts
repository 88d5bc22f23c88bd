/** A model of the mini world in a line. */
import { formatDuration, formatPercent } from '../../plots/index.js';
import type { WorldManifest } from '../../world/index.js';

/** @param made whether it was made now, or was there. */
export function describeManifest(
  { name, measured, loss, seconds }: WorldManifest,
  made: boolean,
): string {
  const parts = Object.entries(measured).flatMap(([key, value]) => {
    if (typeof value === 'object') return [`${key} ${formatPercent(value.estimate)}`];
    return key === 'atlas' ? [`${key} ${formatPercent(value)}`] : [];
  });
  const line = [`${name}: loss ${loss.join(' to ')}`, ...parts, formatDuration(seconds)].join(', ');
  return made ? line : `${line} (was there)`;
}
