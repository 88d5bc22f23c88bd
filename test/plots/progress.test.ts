import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { jupyterDisplay, type MimeBundle, progress } from '../../lib/plots/index.js';

interface Shown {
  [jupyterDisplay](): MimeBundle;
}

let written: string;
const isTTY = Object.getOwnPropertyDescriptor(process.stderr, 'isTTY');
const columns = Object.getOwnPropertyDescriptor(process.stderr, 'columns');

function setTerminal(is: boolean): void {
  Object.defineProperty(process.stderr, 'isTTY', { value: is, configurable: true });
  Object.defineProperty(process.stderr, 'columns', { value: 60, configurable: true });
}

function restore(name: string, descriptor: PropertyDescriptor | undefined): void {
  Reflect.deleteProperty(process.stderr, name);
  if (descriptor) {
    Object.defineProperty(process.stderr, name, descriptor);
  }
}

beforeEach(() => {
  written = '';
  vi.useFakeTimers({ toFake: ['performance'] });
  vi.spyOn(process.stderr, 'write').mockImplementation((chunk) => {
    written += String(chunk);
    return true;
  });
});

afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
  vi.unstubAllGlobals();
  restore('isTTY', isTTY);
  restore('columns', columns);
});

describe('progress in a log', () => {
  beforeEach(() => setTerminal(false));

  it('writes its last line alone', () => {
    const bar = progress(4, { label: 'sampling', unit: 'completions' });
    for (let i = 0; i < 4; i++) {
      vi.advanceTimersByTime(500);
      bar.advance();
    }
    expect(written).toBe('');
    bar.done();
    bar.done();
    expect(written).toBe(`sampling ${'█'.repeat(24)} 4/4, 2.00 s, 2 completions/s\n`);
  });

  it('counts the items of an iterable and ends with the loop', async () => {
    const seen: number[] = [];
    for (const item of progress([1, 2, 3])) {
      seen.push(item);
    }
    expect(seen).toEqual([1, 2, 3]);
    expect(written).toContain('3/3');

    written = '';
    const source = async function* () {
      yield 'a';
      yield 'b';
    };
    for await (const item of progress(source(), { label: 'stream' })) {
      if (item === 'a') {
        break;
      }
    }
    expect(written).toMatch(/^stream 1, /);
  });

  it('passes an error on, after its last line', () => {
    const failing = function* () {
      yield 1;
      throw new Error('lost');
    };
    expect(() => Array.from(progress(failing()))).toThrow('lost');
    expect(written).toMatch(/^1, .*\n$/);
  });

  it('refuses an impossible total', () => {
    expect(() => progress(-1)).toThrow(/total must be .* got -1/);
    expect(() => progress(Number.NaN)).toThrow(RangeError);
  });
});

describe('progress at a terminal', () => {
  beforeEach(() => setTerminal(true));

  it('draws over one line, not too often, with the time left', () => {
    const bar = progress(100, { label: 'x' });
    for (let i = 0; i < 50; i++) {
      vi.advanceTimersByTime(50);
      bar.advance();
    }
    const frames = written.split('\r\u001b[2K').slice(1);
    expect(frames.length).toBeLessThanOrEqual(26);
    expect(frames.at(-1)).toMatch(/^x █{12}░{12} 50\/100, 2\.50 s, 2\.50 s left/);
    for (const frame of frames) {
      expect(frame.length).toBeLessThan(60);
      expect(frame).not.toContain('\n');
    }
    bar.done('stopped early');
    expect(written).toMatch(/50\/100, 2\.50 s, 20\/s, stopped early\n$/);
  });
});

describe('progress in a notebook', () => {
  it('updates one output in place and outlives a front end that fails', () => {
    setTerminal(true);
    const shown: MimeBundle[] = [];
    const take = (value: unknown) => shown.push((value as Shown)[jupyterDisplay]());
    const update = vi.fn(async (value: unknown) => {
      take(value);
      throw new Error('front end is gone');
    });
    const display = vi.fn((value: unknown) => {
      take(value);
      return { update };
    });
    vi.stubGlobal('display', display);
    const bar = progress(2, { label: '<i>' });
    vi.advanceTimersByTime(1000);
    bar.advance(1, 'half');
    vi.advanceTimersByTime(1000);
    bar.advance(1);
    bar.done();
    expect(display).toHaveBeenCalledTimes(1);
    expect(update).toHaveBeenCalledTimes(3);
    expect(written).toBe('');
    expect(shown[1]?.['text/plain']).toBe(
      `<i> ${'█'.repeat(12)}${'░'.repeat(12)} 1/2, 1.00 s, 1.00 s left, 1/s, half`,
    );
    expect(shown[1]?.['text/html']).toContain('width: 50.0%');
    expect(shown[1]?.['text/html']).toContain('&lt;i&gt;');
    expect(shown[1]?.['text/html']).not.toContain('<i>');
  });
});
