const grouped = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });

/** A whole number with thousands separators: 1,234,567. */
export function formatCount(value: number): string {
  return grouped.format(value);
}

/** A number at four significant digits, or all of an integer's: 0.1235, 12.3, 1,235, 250. */
export function formatNumber(value: number): string {
  if (!Number.isFinite(value)) {
    return String(value);
  }
  const magnitude = Math.abs(value);
  if (Number.isInteger(value) ? magnitude < 1e15 : magnitude >= 1000 && magnitude < 1e15) {
    return magnitude < 10_000 && Number.isInteger(value) ? String(value) : formatCount(value);
  }
  return String(Number(value.toPrecision(4)));
}

/** A share as a percentage with at most one decimal: 0.169 is "16.9%". */
export function formatPercent(share: number): string {
  return `${Number((100 * share).toFixed(1))}%`;
}

/** Seconds as people say them: 0.42 s, 12.3 s, 2 min 05 s, 1 h 02 min, 3 d 04 h. */
export function formatDuration(seconds: number): string {
  if (!Number.isFinite(seconds) || seconds < 0) {
    return '?';
  }
  if (seconds < 9.995) {
    return `${seconds.toFixed(2)} s`;
  }
  if (seconds < 59.95) {
    return `${seconds.toFixed(1)} s`;
  }
  const minutes = Math.floor(Math.round(seconds) / 60);
  if (minutes < 60) {
    return `${minutes} min ${pad(Math.round(seconds) % 60)} s`;
  }
  const hours = Math.floor(Math.round(seconds / 60) / 60);
  if (hours < 48) {
    return `${hours} h ${pad(Math.round(seconds / 60) % 60)} min`;
  }
  const days = Math.floor(Math.round(seconds / 3600) / 24);
  return `${days} d ${pad(Math.round(seconds / 3600) % 24)} h`;
}

/** Bytes in binary units at three significant digits: 512 B, 1.5 KiB, 395 MiB. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let unit = 0;
  while (Math.abs(value) >= 1000 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const digits = unit === 0 || Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return `${Number(value.toFixed(digits))} ${units[unit]}`;
}

/** Units per second: 312 tokens/s, 4.3 problems/s. */
export function formatRate(perSecond: number, unit = ''): string {
  const value = perSecond >= 100 ? formatCount(perSecond) : Number(perSecond.toPrecision(2));
  return unit === '' ? `${value}/s` : `${value} ${unit}/s`;
}

function pad(value: number): string {
  return String(value).padStart(2, '0');
}
