// Starts a program for a step: output to a log file and to the progress line, a clear failure when it fails.
import { spawn } from 'node:child_process';
import { createWriteStream, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { SetupFailure, toolFailure } from './failure.mjs';

const linesShown = 40;

/** The lines of a failed program's output that help: all of a short one, both ends of a long one. */
export function excerpt(lines, limit = linesShown) {
  if (lines.length <= limit) return lines;
  const first = Math.floor(limit / 3);
  const last = limit - first;
  const between = `  ... ${lines.length - limit} lines ...`;
  return [...lines.slice(0, first), between, ...lines.slice(-last)];
}

/**
 * Runs a program to its end.
 * @param context the set-up's context: env, root, logs, progress(text), child(pid | null)
 * @param options.step names the log file; options.tool names the tool to blame when the program is absent
 * @returns the program's standard output and error as lines
 */
export function runProgram(context, program, args, { step, tool, cwd, env, log = step }) {
  const folder = join(context.folder, 'logs');
  mkdirSync(folder, { recursive: true });
  const logFile = join(folder, `${log}.log`);
  const sink = createWriteStream(logFile);
  const lines = [];
  return new Promise((resolve, reject) => {
    // Its own process group on POSIX: a signal to us is passed on to the whole of it, grandchildren included.
    const child = spawn(program, args, {
      cwd: cwd ?? context.root,
      env: { ...context.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: process.platform !== 'win32',
      shell: process.platform === 'win32' && program.endsWith('.cmd'),
      windowsHide: true,
    });
    if (child.pid) context.child(child.pid);
    for (const stream of [child.stdout, child.stderr]) {
      let rest = '';
      stream.setEncoding('utf8');
      stream.on('data', (text) => {
        sink.write(text);
        const parts = (rest + text).split(/\r?\n|\r/);
        rest = parts.pop();
        for (const line of parts) take(line);
      });
      stream.on('end', () => take(rest));
    }
    const take = (line) => {
      if (!line.trim()) return;
      lines.push(line);
      context.progress(line);
    };
    child.on('error', (error) => {
      context.child(null);
      sink.end();
      const absent = error.code === 'ENOENT' && tool;
      reject(
        absent
          ? toolFailure(tool, `${program} is not installed (or not on PATH)`)
          : new SetupFailure(`${program} could not be started: ${error.message}`),
      );
    });
    child.on('close', (code, signal) => {
      context.child(null);
      sink.end(() => {
        if (code === 0) {
          resolve(lines);
          return;
        }
        const how = signal ? `was ended by ${signal}` : `failed with exit code ${code}`;
        const called = [program, ...args].map((part) => (/\s/.test(part) ? `'${part}'` : part));
        reject(
          new SetupFailure(`${step}: a program ${how}`, [
            `command: ${called.join(' ')}`,
            ...excerpt(lines).map((line) => `| ${line}`),
            `whole output: ${logFile}`,
          ]),
        );
      });
    });
  });
}
