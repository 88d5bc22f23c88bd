import { jupyterDisplay, type MimeBundle } from './display.js';

/** One state of a progress line. */
export interface Frame {
  readonly text: string;
  readonly html: string;
}

/** Where a progress line is drawn, each frame over the one before. */
export interface ProgressOutput {
  draw(frame: Frame, isLast: boolean): void;
}

/** The notebook kernel's global: shows a value and hands back how to replace it. */
type NotebookDisplay = (value: unknown) => { update(value: unknown): Promise<void> };

const CLEAR_LINE = '\r\u001b[2K';

/**
 * Under the notebook kernel, an output that is updated in place; at a terminal, one line on stderr;
 * elsewhere (a log file, a pipe) the last frame alone.
 */
export function openProgressOutput(): ProgressOutput {
  const display = (globalThis as { display?: NotebookDisplay }).display;
  if (typeof display === 'function') {
    return notebookOutput(display);
  }
  return process.stderr.isTTY ? terminalOutput(process.stderr) : lastFrameOutput(process.stderr);
}

function notebookOutput(display: NotebookDisplay): ProgressOutput {
  let handle: ReturnType<NotebookDisplay> | undefined;
  return {
    draw({ text, html }) {
      const value = {
        [jupyterDisplay]: (): MimeBundle => ({ 'text/html': html, 'text/plain': text }),
      };
      if (handle === undefined) {
        handle = display(value);
      } else {
        // A bar that cannot be drawn must not stop the work that it reports on.
        handle.update(value).catch(() => undefined);
      }
    },
  };
}

function terminalOutput(stream: NodeJS.WriteStream): ProgressOutput {
  return {
    draw({ text }, isLast) {
      const line = isLast ? `${text}\n` : text.slice(0, Math.max(stream.columns - 1, 20));
      stream.write(CLEAR_LINE + line);
    },
  };
}

function lastFrameOutput(stream: NodeJS.WritableStream): ProgressOutput {
  return {
    draw({ text }, isLast) {
      if (isLast) {
        stream.write(`${text}\n`);
      }
    },
  };
}
