import { describe, expect, it } from 'vitest';
import { cacheFolder, childEnvironment } from '#setup/places.mjs';
import { atLeast, installCommand, nodeIsSupported, parseVersion } from '#setup/tools.mjs';

describe('versions', () => {
  it('reads the first dotted number of a line', () => {
    expect(parseVersion('cargo 1.95.0 (f2d3ce0bd 2026-03-21)')).toEqual([1, 95, 0]);
    expect(parseVersion('v20.19')).toEqual([20, 19, 0]);
    expect(parseVersion('no number')).toBeNull();
  });

  it('compares part by part', () => {
    expect(atLeast([1, 88, 0], [1, 88])).toBe(true);
    expect(atLeast([1, 100, 0], [1, 88])).toBe(true);
    expect(atLeast([2, 0, 0], [1, 88])).toBe(true);
    expect(atLeast([1, 87, 9], [1, 88])).toBe(false);
  });

  it.each([
    ['20.18.9', false],
    ['20.19.0', true],
    ['22.1.0', true],
    ['24.99.0', true],
    ['25.0.0', false],
  ])('Node.js %s supported: %s', (version, supported) => {
    expect(nodeIsSupported(version)).toBe(supported);
  });

  it('names an install command for each platform', () => {
    expect(installCommand('python', 'linux').command).toContain('apt');
    expect(installCommand('python', 'darwin').command).toContain('brew');
    expect(installCommand('python', 'win32').command).toContain('winget');
  });
});

describe('places', () => {
  it("takes MAMBALAB_CACHE, else the platform's cache folder", () => {
    expect(cacheFolder({ MAMBALAB_CACHE: '/c' }, 'linux', '/h')).toBe('/c');
    expect(cacheFolder({}, 'linux', '/h')).toBe('/h/.cache/mambalab');
    expect(cacheFolder({ XDG_CACHE_HOME: '/x' }, 'linux', '/h')).toBe('/x/mambalab');
    expect(cacheFolder({}, 'darwin', '/h')).toBe('/h/Library/Caches/mambalab');
    expect(cacheFolder({ LOCALAPPDATA: '/l' }, 'win32', '/h')).toBe('/l/mambalab/Cache');
  });

  it('leads npm, pip and Jupyter away from the home folder and from other Pythons', () => {
    const child = childEnvironment({
      MAMBALAB_CACHE: '/c',
      PYTHONPATH: '/p',
      PIP_USER: '1',
      A: 'b',
    });
    expect(child).toMatchObject({ npm_config_cache: '/c/npm', PIP_CACHE_DIR: '/c/pip', A: 'b' });
    expect(child.JUPYTER_RUNTIME_DIR).toContain('.mambalab');
    expect(child.PYTHONPATH).toBeUndefined();
    expect(child.PIP_USER).toBeUndefined();
  });
});
