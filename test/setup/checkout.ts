/** A checkout in a temporary folder, with set-up's own program and stand-ins for cargo, cc, npm and python3. */
import { type ChildProcess, spawn } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

/** What a run of set-up ended with. */
export interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

const programs: Record<string, string> = {
  cc: 'echo "cc 12.2.0"',
  // Builds the library named after the calls so far; with a file `hold` it waits as a long build would,
  // and with `deaf` it does not stop when asked.
  cargo: `
if [ "$1" = --version ]; then echo "cargo \${FAKE_RUST:-1.95.0} (test)"; exit 0; fi
echo "$@" >> "$FAKE/cargo.log"
[ -e "$FAKE/deaf" ] && trap '' TERM
echo $$ > "$FAKE/cargo.pid"
while [ -e "$FAKE/hold" ]; do sleep 0.05; done
if [ -e "$FAKE/break" ]; then echo "error: expected one of ..." >&2; exit 101; fi
mkdir -p target/release
echo "library $(wc -l < "$FAKE/cargo.log")" > target/release/libmambalab_native.so
cp target/release/libmambalab_native.so target/release/libmambalab_native.dylib`,
  npm: `
echo "$@" >> "$FAKE/npm.log"
echo "cache $npm_config_cache" >> "$FAKE/npm.log"
mkdir -p node_modules/left
echo '{}' > node_modules/left/package.json
echo '{"packages":{"node_modules/left":{"version":"1.0.0","integrity":"x"}}}' > node_modules/.package-lock.json`,
  python3: `
case "$*" in
  -c*) echo "\${FAKE_PYTHON:-3.12.1}"; exit 0 ;;
  "-m venv --clear"*)
    echo "venv" >> "$FAKE/python.log"
    rm -rf "$4"; mkdir -p "$4/bin"; cp "$0" "$4/bin/python" ;;
  "-m pip --version") echo "pip 26.0" ;;
  "-m pip install"*)
    echo "pip" >> "$FAKE/python.log"
    if [ -e "$FAKE/break" ]; then echo "ERROR: no route to host" >&2; exit 1; fi
    touch "$(dirname "$0")/jupyter" ;;
esac`,
};

/** What the stand-ins need of the machine. */
const ordinary = [
  'sh',
  'cat',
  'cp',
  'dirname',
  'echo',
  'mkdir',
  'ps',
  'rm',
  'sleep',
  'touch',
  'wc',
];

/** One temporary checkout. */
export class Checkout {
  readonly root = mkdtempSync(join(tmpdir(), 'mambalab-setup-'));
  readonly cache = join(this.root, 'cache');
  /** Logs and switches of the stand-ins. */
  readonly fake = join(this.root, 'fake');
  private readonly bin = join(this.root, 'bin');

  constructor(tools: readonly string[] = Object.keys(programs)) {
    cpSync(resolve('lib/setup'), join(this.root, 'lib', 'setup'), { recursive: true });
    mkdirSync(join(this.root, 'lib', 'native', 'src'), { recursive: true });
    for (const folder of [this.fake, this.bin]) mkdirSync(folder);
    this.write('lib/native/Cargo.toml', '[package]\nname = "x"\nrust-version = "1.88"\n');
    this.write('lib/native/src/lib.rs', 'pub fn f() {}\n');
    this.write(
      'package-lock.json',
      JSON.stringify({
        packages: {
          '': {},
          'node_modules/left': { version: '1.0.0', integrity: 'x' },
          'node_modules/of-another-platform': { version: '1.0.0', optional: true },
        },
      }),
    );
    mkdirSync(join(this.root, 'shell'));
    for (const tool of ordinary) {
      const path = ['/bin', '/usr/bin'].map((folder) => join(folder, tool)).find(existsSync);
      if (path) symlinkSync(path, join(this.root, 'shell', tool));
    }
    for (const tool of tools) {
      const file = join(this.bin, tool);
      writeFileSync(file, `#!/bin/sh\n${programs[tool]}\n`);
      chmodSync(file, 0o755);
    }
  }

  write(path: string, content: string): void {
    writeFileSync(join(this.root, path), content);
  }

  read(path: string): string {
    return readFileSync(join(this.root, path), 'utf8');
  }

  has(path: string): boolean {
    return existsSync(join(this.root, path));
  }

  /** How often a stand-in was called. */
  calls(log: string): number {
    return this.has(`fake/${log}`) ? this.read(`fake/${log}`).trim().split('\n').length : 0;
  }

  /** Starts set-up; of the machine's tools only the ordinary ones are on its PATH. */
  start(args: readonly string[], env: Record<string, string> = {}): ChildProcess {
    return spawn(process.execPath, [join(this.root, 'lib', 'setup', 'main.mjs'), ...args], {
      env: {
        PATH: `${this.bin}:${join(this.root, 'shell')}`,
        HOME: this.root,
        FAKE: this.fake,
        MAMBALAB_CACHE: this.cache,
        ...env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  }

  /** Runs set-up to its end. */
  async run(args: readonly string[], env: Record<string, string> = {}): Promise<Ended> {
    return ended(this.start(args, env));
  }
}

/** Collects what a process says until it ends. */
export function ended(child: ChildProcess): Promise<Ended> {
  let out = '';
  let err = '';
  child.stdout?.on('data', (text) => {
    out += text;
  });
  child.stderr?.on('data', (text) => {
    err += text;
  });
  return new Promise((done) => child.on('close', (code) => done({ code, out, err })));
}

/** Waits until something holds. */
export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((next) => setTimeout(next, 20));
}
