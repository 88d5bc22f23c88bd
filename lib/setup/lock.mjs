// One set-up at a time: a lock file with the process that holds it and the program it is running. A lock
// whose holder is gone is taken over, after ending the program that the holder left behind.
import {
  existsSync,
  linkSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { SetupFailure } from './failure.mjs';
import { ask } from './tools.mjs';

const waitAtMost = 45 * 60_000;

/** When a process started, in words that no later process of the same id repeats; null when it is gone. */
export function startOf(pid) {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (error.code !== 'EPERM') return null;
  }
  if (process.platform === 'linux') {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      // A zombie has ended: it only waits for its parent to look.
      return fields[0] === 'Z' ? null : fields[19];
    } catch {
      return null;
    }
  }
  if (process.platform === 'win32') return 'running';
  return ask('ps', ['-p', String(pid), '-o', 'lstart=']);
}

function isAlive(who) {
  return Boolean(who && Number.isInteger(who.pid) && startOf(who.pid) === who.started);
}

function read(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return null;
  }
}

function signalGroup(pid, signal) {
  const group = process.platform === 'win32' ? pid : -pid;
  try {
    process.kill(group, signal);
    // A stopped program would not hear anything but SIGKILL.
    if (group < 0) process.kill(group, 'SIGCONT');
    return true;
  } catch {
    return false;
  }
}

/** Ends a program with, on POSIX, all of its process group: asks first, and waits until it is gone. */
export async function endGroup(pid) {
  const started = startOf(pid);
  for (const signal of ['SIGTERM', 'SIGKILL']) {
    if (!signalGroup(pid, signal)) return;
    for (let i = 0; i < 30; i += 1) {
      if (!isAlive({ pid, started })) return;
      await sleep(100);
    }
  }
}

/** Ends a program that a killed set-up left running. */
async function endLeftover(child, say) {
  if (process.platform === 'win32' || !isAlive(child)) return;
  say(`ending process ${child.pid}, which a killed set-up left running`);
  await endGroup(child.pid);
}

/**
 * Takes the lock, waiting while another live set-up holds it.
 * @returns an object with `running(pid | null)`, to be told of each program started, and `release()`.
 */
export async function takeLock(file, say) {
  const me = { pid: process.pid, started: startOf(process.pid) };
  const mine = `${file}.${process.pid}`;
  const until = Date.now() + waitAtMost;
  let said = false;
  writeFileSync(mine, JSON.stringify(me));
  try {
    for (;;) {
      try {
        linkSync(mine, file);
        break;
      } catch (error) {
        if (error.code !== 'EEXIST') throw error;
      }
      const holder = read(file);
      if (isAlive(holder)) {
        if (!said)
          say(`another set-up (process ${holder.pid}) is running in this checkout; waiting`);
        said = true;
        if (Date.now() > until) {
          throw new SetupFailure(`set-up of process ${holder.pid} still holds the lock`, [
            `end that process, or remove ${file} if it is not a set-up`,
          ]);
        }
        await sleep(300);
        continue;
      }
      await takeAway(file, holder, say);
    }
  } finally {
    rmSync(mine, { force: true });
  }
  sweep(file);
  return {
    running(pid) {
      const child = pid ? { pid, started: startOf(pid) } : undefined;
      const next = `${file}.${process.pid}`;
      writeFileSync(next, JSON.stringify({ ...me, child }));
      renameSync(next, file);
    },
    release() {
      if (read(file)?.pid === process.pid) rmSync(file, { force: true });
    },
  };
}

/** Removes what set-ups that were killed while they waited left beside the lock. */
function sweep(file) {
  for (const name of readdirSync(dirname(file))) {
    const pid = name.startsWith(`${basename(file)}.`) ? Number(name.split('.').at(-1)) : Number.NaN;
    if (pid > 0 && startOf(pid) === null) rmSync(join(dirname(file), name), { force: true });
  }
}

/** Removes a stale lock; puts it back if another set-up took the lock between our look and our rename. */
async function takeAway(file, stale, say) {
  if (stale?.child) await endLeftover(stale.child, say);
  const aside = `${file}.stale.${process.pid}`;
  try {
    renameSync(file, aside);
  } catch {
    return;
  }
  const moved = read(aside);
  if (isAlive(moved) && !existsSync(file)) linkSync(aside, file);
  rmSync(aside, { force: true });
}
