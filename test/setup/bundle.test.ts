import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { pack } from '#setup/bundle/archive.mjs';
import { glibcOf } from '#setup/bundle/machine-code.mjs';
import { root } from '#setup/places.mjs';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'mambalab-bundle-'));
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

function write(path: string, content: string, mode = 0o644): string {
  const file = join(folder, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, content);
  chmodSync(file, mode);
  return file;
}

const run = (program: string, args: string[], env: NodeJS.ProcessEnv = process.env) => {
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8', env });
  return { code: status, out: stdout, err: stderr };
};

describe('an archive', () => {
  const options = { name: 'top', mtime: 1_700_000_000 };
  const long = `${'folder/'.repeat(14)}${'f'.repeat(90)}`;
  const digest = (file: string) => createHash('sha256').update(readFileSync(file)).digest('hex');

  it.skipIf(process.platform !== 'linux').each(['xz', 'gz'] as const)(
    'as %s is what tar reads: names in order, contents of every length, modes, one owner and time',
    async (kind) => {
      write('in/b', 'b'.repeat(512));
      write('in/a/run', 'a'.repeat(1025), 0o755);
      write('in/empty', '');
      write(`in/${long}`, 'deep');
      const file = join(folder, `a.tar.${kind}`);
      await pack(join(folder, 'in'), file, { ...options, kind });
      const { out } = run('tar', ['--utc', '--numeric-owner', '-tvf', file]);
      const time = '2023-11-14 22:13';
      expect(out.replace(/ +/g, ' ').trimEnd().split('\n')).toEqual([
        `-rwxr-xr-x 0/0 1025 ${time} top/a/run`,
        `-rw-r--r-- 0/0 512 ${time} top/b`,
        `-rw-r--r-- 0/0 0 ${time} top/empty`,
        `-rw-r--r-- 0/0 4 ${time} top/${long}`,
      ]);
      expect(run('tar', ['-xf', file, '-C', folder])).toMatchObject({ code: 0, err: '' });
      for (const path of ['a/run', 'b', 'empty', long]) {
        const unpacked = readFileSync(join(folder, 'top', path));
        expect(unpacked.equals(readFileSync(join(folder, 'in', path)))).toBe(true);
      }
    },
  );

  it('has the same bytes whenever the files are the same, and others when one differs', async () => {
    const one = write('one/x', 'content');
    write('two/x', 'content');
    utimesSync(one, 1, 1);
    const pack_ = async (name: string) => {
      const file = join(folder, `${name}.tar.gz`);
      await pack(join(folder, name), file, { ...options, kind: 'gz' });
      return digest(file);
    };
    const first = await pack_('one');
    expect(await pack_('two')).toBe(first);
    chmodSync(one, 0o755);
    expect(await pack_('one')).not.toBe(first);
  });

  it('refuses a name that tar cannot hold', async () => {
    write(`in/${'x'.repeat(101)}`, '');
    const packing = pack(join(folder, 'in'), join(folder, 'a.tar.gz'), { ...options, kind: 'gz' });
    await expect(packing).rejects.toThrow(/xxx: too long for a tar archive/);
  });
});

describe.skipIf(process.platform !== 'linux')('machine code', () => {
  it.skipIf(!existsSync('/usr/bin/xz'))('that needs more than glibc is refused', () => {
    expect(() => glibcOf(['/usr/bin/xz'])).toThrow(/xz needs liblzma\.so/);
  });

  it('names the newest glibc that it asks for', () => {
    expect(glibcOf([process.execPath])).toMatch(/^2\.\d+$/);
  });
});

describe.skipIf(process.platform === 'win32')('the launcher', () => {
  const says = '#!/bin/sh\necho "libraries $LD_LIBRARY_PATH"\nfor a; do echo "[$a]"; done\n';
  const bare = { PATH: '/usr/bin:/bin' };

  function bundle(node?: string): string {
    const launcher = write('a b/bundle/mambalab', '');
    copyFileSync(join(root, 'lib', 'setup', 'bundle', 'mambalab.sh'), launcher);
    chmodSync(launcher, 0o755);
    if (node) write('a b/bundle/bin/node', node, 0o755);
    return launcher;
  }
  const main = () => join(folder, 'a b', 'bundle', 'dist', 'lib', 'cli', 'main.js');

  it('finds its folder through links, and passes arguments on as they are', () => {
    const launcher = bundle(says);
    mkdirSync(join(folder, 'links'));
    symlinkSync('../a b/bundle/mambalab', join(folder, 'links', 'first'));
    symlinkSync(join(folder, 'links', 'first'), join(folder, 'second'));
    for (const path of [launcher, join(folder, 'second')]) {
      const { code, out } = run(path, ['sample', 'x y', '', '*'], bare);
      expect(code).toBe(0);
      expect(out).toContain(`[${main()}]\n[sample]\n[x y]\n[]\n[*]\n`);
    }
    const beside = { cwd: dirname(launcher), encoding: 'utf8', env: bare } as const;
    const plain = spawnSync('/bin/sh', ['mambalab', '--help'], beside);
    expect(plain.stdout).toContain(`[${main()}]\n[--help]\n`);
    const env = { PATH: `${join(folder, 'links')}:${bare.PATH}` };
    expect(run('/bin/sh', ['-c', 'first --version'], env).out).toContain('[--version]');
  });

  it("brings GCC's libraries in only where Node.js does not run without them", () => {
    const needs = says.replace(
      '\n',
      '\ncase $LD_LIBRARY_PATH in */bin/lib) ;; *) exit 127 ;; esac\n',
    );
    const lib = join(folder, 'a b', 'bundle', 'bin', 'lib');
    const launcher = bundle(needs);
    expect(run(launcher, [], { ...bare, LD_LIBRARY_PATH: '/mine' }).out).toContain(
      `libraries /mine:${lib}\n`,
    );
    bundle(says);
    expect(run(launcher, [], { ...bare, LD_LIBRARY_PATH: '/mine' }).out).toMatch(
      /^libraries \/mine(:\/usr\/local\/cuda\/lib64)?\n/,
    );
  });

  it('looks for CUDA in a folder of the bundle', () => {
    const launcher = bundle(says);
    mkdirSync(join(folder, 'a b', 'bundle', 'cuda'));
    expect(run(launcher, [], bare).out).toContain(`libraries ${join(folder, 'a b/bundle/cuda')}\n`);
  });

  it('says so where Node.js does not run, or is nowhere', () => {
    const broken = bundle('#!/bin/sh\necho "node: too old a system" >&2\nexit 1\n');
    const { code, err } = run(broken, [], bare);
    expect(code).toBe(1);
    expect(err).toContain('Node.js of this bundle does not run here: node: too old a system');
    rmSync(join(folder, 'a b', 'bundle', 'bin'), { recursive: true });
    const nowhere = run(broken, [], { PATH: join(folder, 'empty') });
    expect(nowhere.code).toBe(1);
    expect(nowhere.err).toContain('there is none on PATH (20.19 or newer, below 25)');
  });
});

describe('npm run bundle', () => {
  const bundle = (...args: string[]) =>
    run(process.execPath, [join(root, 'lib', 'setup', 'bundle', 'main.mjs'), ...args]);

  it('explains itself', () => {
    const { code, out } = bundle('--help');
    expect(code).toBe(0);
    for (const option of ['--out', '--no-archive', '--node', '--no-node']) {
      expect(out).toContain(option);
    }
  });

  it.each([
    [['--nope'], "unknown option '--nope'"],
    [['--out'], '--out needs a folder'],
    [['--node', '--no-node'], '--node and --no-node exclude each other'],
  ])('refuses %j', (args, message) => {
    const { code, err } = bundle(...args);
    expect(code).toBe(2);
    expect(err).toContain(message);
  });
});
