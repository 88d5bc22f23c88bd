import { formatDuration } from '../plots/index.js';

/** Seconds without more digits than an estimate has. */
export const roughly = (seconds: number): string =>
  seconds < 60 ? `${Math.ceil(seconds)} s` : formatDuration(Math.round(seconds));
