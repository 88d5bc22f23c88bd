import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { StatusLine } from '../../lib/cli/status-line.js';

let said: string;
const out = (extra: object = {}) => ({
  write: (text: string) => {
    said += text;
  },
  ...extra,
});

beforeEach(() => {
  said = '';
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllEnvs();
});

it('is one line at a terminal: rewritten, cut to its width, gone at the end', () => {
  const status = new StatusLine(out({ isTTY: true, columns: 30 }));
  let count = 0;
  status.start(() => `${++count} of many notebooks are executed by now`);
  vi.advanceTimersByTime(500);
  const frames = said.split('\r\u001b[2K').slice(1);
  expect(frames).toHaveLength(3);
  expect(frames[0]).toBe('1 of many notebooks are exec…');
  for (const frame of frames) expect(frame.length).toBe(29);
  expect(said).not.toContain('\n');
  said = '';
  status.say('done');
  expect(said).toBe('\r\u001b[2Kdone\n');
  status.stop();
  said = '';
  vi.advanceTimersByTime(5000);
  expect(said).toBe('');
});

it('is a whole line every half minute in a log, without control characters', () => {
  const status = new StatusLine(out());
  status.start(() => 'x'.repeat(200));
  vi.advanceTimersByTime(29_000);
  expect(said).toBe('');
  vi.advanceTimersByTime(62_000);
  expect(said).toBe(`${'x'.repeat(200)}\n`.repeat(3));
  status.stop();
});

it('takes a terminal that cannot move its cursor for a log, and says nothing when quiet', () => {
  vi.stubEnv('TERM', 'dumb');
  const dumb = new StatusLine(out({ isTTY: true }));
  dumb.start(() => 'here');
  vi.advanceTimersByTime(30_000);
  dumb.stop();
  expect(said).toBe('here\n');
  const quiet = new StatusLine(out(), { quiet: true });
  quiet.start(() => 'here');
  quiet.say('there');
  vi.advanceTimersByTime(60_000);
  expect(said).toBe('here\n');
});
