import { describe, expect, it } from 'vitest';
import {
  formatBytes,
  formatCount,
  formatDuration,
  formatNumber,
  formatPercent,
  formatRate,
} from '../../lib/plots/index.js';

describe('format', () => {
  it.each([
    [0, '0.00 s'],
    [0.4249, '0.42 s'],
    [9.99, '9.99 s'],
    [9.996, '10.0 s'],
    [59.94, '59.9 s'],
    [59.96, '1 min 00 s'],
    [125.4, '2 min 05 s'],
    [3599.6, '1 h 00 min'],
    [3725, '1 h 02 min'],
    [172_800, '2 d 00 h'],
    [Number.POSITIVE_INFINITY, '?'],
    [Number.NaN, '?'],
  ])('a duration of %d s is %s', (seconds, text) => {
    expect(formatDuration(seconds)).toBe(text);
  });

  it.each([
    [0, '0 B'],
    [999, '999 B'],
    [1536, '1.5 KiB'],
    [395.4 * 2 ** 20, '395 MiB'],
    [1020 * 2 ** 20, '1 GiB'],
    [2 ** 45, '32 TiB'],
  ])('%d bytes are %s', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });

  it.each([
    [0, '0'],
    [42, '42'],
    [1999, '1999'],
    [123_456, '123,456'],
    [0.123456, '0.1235'],
    [1234.6, '1,235'],
    [-0.5, '-0.5'],
    [1e-9, '1e-9'],
    [Number.NaN, 'NaN'],
  ])('the number %d is %s', (value, text) => {
    expect(formatNumber(value)).toBe(text);
  });

  it('writes counts, shares and rates', () => {
    expect(formatCount(1234567)).toBe('1,234,567');
    expect(formatPercent(0.1694)).toBe('16.9%');
    expect(formatPercent(1)).toBe('100%');
    expect(formatRate(1234.5, 'tokens')).toBe('1,235 tokens/s');
    expect(formatRate(4.26)).toBe('4.3/s');
  });
});
