import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { startOf } from '#setup/lock.mjs';
import { rustFrom } from '#setup/tools.mjs';
import { Checkout, ended, until } from './checkout.js';

const made: Checkout[] = [];
function checkout(tools?: readonly string[]): Checkout {
  const one = new Checkout(tools);
  made.push(one);
  return one;
}

afterEach(() => {
  for (const { root } of made.splice(0)) rmSync(root, { recursive: true, force: true });
});

// A zombie does not count: where process 1 buries nobody, it would stay for ever.
const alive = (pid: number) => startOf(pid) !== null;

// The stand-ins for tools are shell scripts.
describe.skipIf(process.platform === 'win32')('set-up', () => {
  it('builds the addon once, and again when a source changes or the addon is gone', async () => {
    const here = checkout();
    expect((await here.run(['--only', 'addon'])).code).toBe(0);
    expect(here.read('lib/native/mambalab.node')).toBe('library 1\n');
    const second = await here.run(['--only', 'addon']);
    expect(second.out).toContain('Rust engine: up to date');
    expect(here.calls('cargo.log')).toBe(1);
    here.write('lib/native/src/lib.rs', 'pub fn g() {}\n');
    expect((await here.run(['--only', 'addon'])).out).toContain('Rust engine: done in');
    expect(here.read('lib/native/mambalab.node')).toBe('library 2\n');
    rmSync(join(here.root, 'lib/native/mambalab.node'));
    expect((await here.run(['--only', 'addon'])).code).toBe(0);
    expect(here.calls('cargo.log')).toBe(3);
  });

  it('names the missing tool, what is needed and the command that installs it', async () => {
    const { code, err } = await checkout(['cc', 'npm']).run(['--only', 'addon']);
    expect(code).toBe(1);
    expect(err).toContain("Set-up stopped at 'addon': cargo is not installed");
    expect(err).toContain(`Rust ${rustFrom.join('.')} or newer`);
    expect(err).toMatch(/install: +\S+/);
    expect(err).not.toMatch(/^\s+at /m);
  });

  it.each([
    ['cc', ['cargo'], 'addon', {}, /cc is not installed[\s\S]*C linker/],
    [
      'a newer Rust',
      undefined,
      'addon',
      { FAKE_RUST: '1.70.0' },
      /1\.70\.0.* is older than Rust 1\.88/,
    ],
    ['Python', ['cc', 'cargo'], 'venv', {}, /python3 is not installed[\s\S]*3\.11 or newer/],
    [
      'a newer Python',
      undefined,
      'venv',
      { FAKE_PYTHON: '3.8.2' },
      /Python 3\.8\.2 .* is older than 3\.11/,
    ],
    [
      "Python's venv",
      undefined,
      'venv',
      { FAKE_PYTHON: '3.12.1 ensurepip' },
      /lacks its ensurepip module/,
    ],
    ['npm', ['cc'], 'npm', {}, /npm is not installed/],
  ])('asks for %s', async (_what, tools, step, env, message) => {
    const { code, err } = await checkout(tools).run(['--only', step], env);
    expect(code).toBe(1);
    expect(err).toMatch(message);
    expect(err).toMatch(/install: +\S+/);
  });

  it("shows the program's own words when it fails, and goes on from there", async () => {
    const here = checkout();
    writeFileSync(join(here.fake, 'break'), '');
    const failed = await here.run(['--only', 'addon']);
    expect(failed.code).toBe(1);
    expect(failed.err).toContain('| error: expected one of ...');
    expect(failed.err).toContain('exit code 101');
    expect(here.has('lib/native/mambalab.node')).toBe(false);
    rmSync(join(here.fake, 'break'));
    expect((await here.run(['--only', 'addon'])).code).toBe(0);
  });

  it('trusts no addon whose build was cut short after an earlier good one', async () => {
    const here = checkout();
    await here.run(['--only', 'addon']);
    here.write('lib/native/src/lib.rs', 'broken');
    writeFileSync(join(here.fake, 'break'), '');
    await here.run(['--only', 'addon']);
    here.write('lib/native/src/lib.rs', 'pub fn f() {}\n');
    rmSync(join(here.fake, 'break'));
    expect((await here.run(['--only', 'addon'])).out).toContain('done in');
  });

  it('takes over from a killed set-up and ends the build it left behind', async () => {
    const here = checkout();
    writeFileSync(join(here.fake, 'hold'), '');
    const first = here.start(['--only', 'addon']);
    await until(
      () => here.has('fake/cargo.pid') && /"child"/.test(here.read('.mambalab/setup.lock')),
    );
    const build = Number(here.read('fake/cargo.pid'));
    first.kill('SIGKILL');
    await ended(first);
    expect(alive(build)).toBe(true);
    const second = here.start(['--only', 'addon']);
    await until(() => !alive(build));
    rmSync(join(here.fake, 'hold'));
    const { code, out } = await ended(second);
    expect(out).toContain(`ending process ${build}, which a killed set-up left running`);
    expect(out).toContain('Rust engine: done in');
    expect(code).toBe(0);
    expect(here.has('.mambalab/setup.lock')).toBe(false);
  });

  it('ends even a stopped build and gives the lock back when it is told to stop', async () => {
    const here = checkout();
    writeFileSync(join(here.fake, 'hold'), '');
    const run = here.start(['--only', 'addon']);
    await until(
      () => here.has('fake/cargo.pid') && /"child"/.test(here.read('.mambalab/setup.lock')),
    );
    process.kill(Number(here.read('fake/cargo.pid')), 'SIGSTOP');
    run.kill('SIGTERM');
    const { code, err } = await ended(run);
    expect(code).toBe(143);
    expect(err).toBe('\nset-up stopped; run the same command again to go on from here\n');
    await until(() => !alive(Number(here.read('fake/cargo.pid'))));
    expect(here.has('.mambalab/setup.lock')).toBe(false);
  });

  it('keeps the lock until a program that will not stop is gone', async () => {
    const here = checkout();
    writeFileSync(join(here.fake, 'hold'), '');
    writeFileSync(join(here.fake, 'deaf'), '');
    const run = here.start(['--only', 'addon']);
    await until(
      () => here.has('fake/cargo.pid') && /"child"/.test(here.read('.mambalab/setup.lock')),
    );
    const build = Number(here.read('fake/cargo.pid'));
    run.kill('SIGTERM');
    const watch = until(() => !here.has('.mambalab/setup.lock')).then(() => alive(build));
    expect((await ended(run)).code).toBe(143);
    expect(await watch).toBe(false);
  });

  it('lets one set-up at a time work; the other waits and finds it done', async () => {
    const here = checkout();
    writeFileSync(join(here.fake, 'hold'), '');
    const first = ended(here.start(['--only', 'addon']));
    await until(() => here.has('fake/cargo.pid'));
    const other = here.start(['--only', 'addon']);
    let said = '';
    other.stdout?.on('data', (text) => {
      said += text;
    });
    const second = ended(other);
    await until(() => said.includes('is running in this checkout; waiting'));
    rmSync(join(here.fake, 'hold'));
    expect((await first).code).toBe(0);
    expect((await second).out).toContain('Rust engine: up to date');
    expect(here.calls('cargo.log')).toBe(1);
  });

  it('is not stopped by a lock of a process that is gone, or of one that took its number', async () => {
    const here = checkout();
    await here.run(['--only', 'node']);
    for (const lock of [
      '',
      '{"pid":999999999,"started":"1"}',
      `{"pid":${process.pid},"started":"1"}`,
    ]) {
      here.write('.mambalab/setup.lock', lock);
      expect((await here.run(['--only', 'node'])).code).toBe(0);
    }
    expect(here.has('.mambalab/setup.lock.999999999')).toBe(false);
  });

  it('installs npm packages into the checkout with its own npm cache, unless they are there', async () => {
    const here = checkout();
    expect((await here.run(['--only', 'npm'])).code).toBe(0);
    expect(here.read('fake/npm.log')).toContain(`cache ${join(here.cache, 'npm')}`);
    expect((await here.run(['--only', 'npm'])).out).toContain('npm packages: up to date');
    rmSync(join(here.root, 'node_modules/left'), { recursive: true });
    expect((await here.run(['--only', 'npm'])).out).toContain('npm packages: done in');
    const lock = JSON.parse(here.read('package-lock.json'));
    lock.packages['node_modules/left'].version = '1.0.1';
    here.write('package-lock.json', JSON.stringify(lock));
    expect((await here.run(['--only', 'npm'])).out).toContain('npm packages: done in');
  });

  it('keeps a finished environment when only its packages failed to come', async () => {
    const here = checkout();
    writeFileSync(join(here.fake, 'break'), '');
    const failed = await here.run(['--only', 'venv']);
    expect(failed.code).toBe(1);
    expect(failed.err).toContain('no route to host');
    rmSync(join(here.fake, 'break'));
    expect((await here.run(['--only', 'venv'])).code).toBe(0);
    expect(here.read('fake/python.log')).toBe('venv\npip\npip\n');
    expect((await here.run(['--only', 'venv'])).out).toContain('up to date');
    here.write('lib/setup/requirements.txt', 'jupyterlab==1.0\n');
    await here.run(['--only', 'venv']);
    expect(here.read('fake/python.log')).toBe('venv\npip\npip\npip\n');
  });

  it('writes nothing outside the checkout and the cache', async () => {
    const here = checkout();
    const home = join(here.root, 'home');
    await here.run(['--only', 'npm,addon,venv'], { HOME: home });
    expect(existsSync(home)).toBe(false);
  });

  it('says which step comes before when it is asked for a later one alone', async () => {
    const { code, err } = await checkout().run(['--only', 'kernelspec']);
    expect(code).toBe(1);
    expect(err).toContain('--only build');
  });
});

describe('set-up options', () => {
  it('prints help and refuses what it does not know', async () => {
    const here = checkout();
    const help = await here.run(['--help']);
    expect(help.code).toBe(0);
    expect(help.out).toContain('Usage: node lib/setup/main.mjs');
    const unknown = await here.run(['--only', 'addon,cake']);
    expect(unknown.code).toBe(2);
    expect(unknown.err).toContain("no step 'cake'; the steps are node, npm, addon");
    expect((await here.run(['--fast'])).code).toBe(2);
    expect((await here.run(['--skip'])).code).toBe(2);
  });

  it('skips steps, prints JSON, keeps quiet', async () => {
    const here = checkout();
    const all = 'npm,addon,build,venv,kernelspec,model';
    const json = JSON.parse((await here.run(['--skip', all, '--json'])).out);
    expect(json).toMatchObject({ ok: true, steps: [{ step: 'node', status: 'up to date' }] });
    expect(await here.run([`--skip=${all}`, '--quiet'])).toEqual({ code: 0, out: '', err: '' });
    const failed = await here.run(['--only', 'kernelspec', '--json']);
    expect(failed.code).toBe(1);
    expect(JSON.parse(failed.out)).toMatchObject({
      ok: false,
      steps: [
        { step: 'kernelspec', status: 'failed', fix: [expect.stringContaining('--only build')] },
      ],
    });
  });
});
