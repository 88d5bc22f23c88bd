// The tools that a machine must bring, the versions needed, how to find them, and the commands that install them.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

export const nodeRange = { from: [20, 19], below: [25, 0] };
export const rustFrom = [1, 89];
export const pythonFrom = [3, 11];

/** What is needed of each tool and the command that installs it on Debian, macOS and Windows. */
export const tools = {
  node: {
    needs: 'Node.js 20.19 or newer, below 25',
    debian:
      'curl -fsSL https://deb.nodesource.com/setup_22.x | sudo -E bash - && sudo apt install -y nodejs',
    macos: 'brew install node@22 && brew link --overwrite node@22',
    windows: 'winget install OpenJS.NodeJS.22',
  },
  npm: {
    needs: 'npm 10 or newer (it comes with Node.js)',
    debian: 'sudo apt install -y npm',
    macos: 'brew install node@22 && brew link --overwrite node@22',
    windows: 'winget install OpenJS.NodeJS.22',
  },
  cargo: {
    needs: 'Rust 1.89 or newer (cargo and rustc)',
    debian: "curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y",
    macos: 'brew install rust',
    windows: 'winget install Rustlang.Rustup',
  },
  linker: {
    needs: 'a C linker (cc), which cargo calls',
    debian: 'sudo apt install -y build-essential',
    macos: 'xcode-select --install',
    windows:
      'winget install Microsoft.VisualStudio.2022.BuildTools --override "--wait --passive --add Microsoft.VisualStudio.Workload.VCTools --includeRecommended"',
  },
  python: {
    needs: 'Python 3.11 or newer with its venv and pip modules',
    debian: 'sudo apt install -y python3 python3-venv python3-pip',
    macos: 'brew install python@3.13',
    windows: 'winget install Python.Python.3.13',
  },
};

/** The install command of a tool on this platform, with the platform's name. */
export function installCommand(tool, platform = process.platform) {
  const { debian, macos, windows } = tools[tool];
  if (platform === 'win32') return { platform: 'Windows', command: windows };
  if (platform === 'darwin') return { platform: 'macOS', command: macos };
  return { platform: 'Debian, Ubuntu', command: debian };
}

/** The first dotted number in a program's version line, as numbers: 'cargo 1.95.0 (x)' gives [1, 95, 0]. */
export function parseVersion(text) {
  const match = /(\d+)\.(\d+)(?:\.(\d+))?/.exec(text);
  return match ? match.slice(1).map((part) => Number(part ?? 0)) : null;
}

/** Whether version `a` is at least `b`; parts that `b` does not name are free. */
export function atLeast(a, b) {
  for (let i = 0; i < b.length; i += 1) {
    if ((a[i] ?? 0) !== b[i]) return (a[i] ?? 0) > b[i];
  }
  return true;
}

export function nodeIsSupported(version = process.versions.node) {
  const parts = parseVersion(version);
  return atLeast(parts, nodeRange.from) && !atLeast(parts, nodeRange.below);
}

/** Runs a program for its output; null when it is not there or fails. */
export function ask(program, args, env = process.env) {
  const result = spawnSync(program, args, {
    encoding: 'utf8',
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
    windowsHide: true,
  });
  return result.status === 0 ? `${result.stdout}${result.stderr}`.trim() : null;
}

/** How to call npm: through the npm that started this program, else by name. */
export function npmCommand(env = process.env) {
  if (env.npm_execpath?.endsWith('npm-cli.js')) return [process.execPath, env.npm_execpath];
  return [process.platform === 'win32' ? 'npm.cmd' : 'npm'];
}

/** cargo on PATH, or where rustup puts it before a new shell is opened; with its version line. */
export function findCargo(env = process.env) {
  const home = env.CARGO_HOME || join(env.HOME || homedir(), '.cargo');
  const beside = join(home, 'bin', process.platform === 'win32' ? 'cargo.exe' : 'cargo');
  for (const program of ['cargo', ...(existsSync(beside) ? [beside] : [])]) {
    const line = ask(program, ['--version'], env);
    const version = line && parseVersion(line);
    if (version) return { program, line, version, folder: join(home, 'bin') };
  }
  return null;
}

/** The C linker's version line; Windows has its linker outside PATH and is not asked. */
export function findLinker(env = process.env) {
  if (process.platform === 'win32') return 'link.exe (found by cargo)';
  return ask('cc', ['--version'], env)?.split('\n')[0] ?? null;
}

/** Every Python on PATH, the first good one first: version, and which of venv and pip it lacks. */
export function findPython(env = process.env) {
  const candidates =
    process.platform === 'win32'
      ? [['py', '-3'], ['python']]
      : [['python3'], ['python'], ['python3.14'], ['python3.13'], ['python3.12'], ['python3.11']];
  const script =
    'import sys, importlib.util as u; print(sys.version.split()[0], *[m for m in ("venv", "ensurepip", "pip") if u.find_spec(m) is None])';
  let best = null;
  for (const [program, ...before] of candidates) {
    const line = ask(program, [...before, '-c', script], env);
    const version = line && parseVersion(line);
    if (!version) continue;
    const [text, ...lacks] = line.split('\n')[0].split(' ');
    const found = { program, before, text, version, lacks };
    found.good = atLeast(version, pythonFrom) && !lacks.some((module) => module !== 'pip');
    if (found.good) return found;
    best ??= found;
  }
  return best;
}
