/** One line that says how far a long command is: rewritten in place at a terminal, said now and then elsewhere. */
import type { Out } from './command.js';

/** Options of {@link StatusLine}. */
export interface StatusLineOptions {
  /** Whether the line may be rewritten; default: `out` is a terminal that understands it. */
  readonly terminal?: boolean;
  /** Says nothing at all. */
  readonly quiet?: boolean;
}

const CLEAR_LINE = '\r\u001b[2K';
const REDRAW_INTERVAL = 250;
/** In a log: often enough to see that it lives, seldom enough for logs to stay short. */
const LOG_INTERVAL = 30_000;
const NARROWEST = 20;

/** The line. It has no colours, so that there are none to turn off. */
export class StatusLine {
  private readonly terminal: boolean;
  private readonly quiet: boolean;
  private timer: NodeJS.Timeout | undefined;
  private drawn = false;

  constructor(
    private readonly out: Out,
    { terminal, quiet = false }: StatusLineOptions = {},
  ) {
    this.terminal = terminal ?? (out.isTTY === true && process.env.TERM !== 'dumb');
    this.quiet = quiet;
  }

  /** Shows what `text` returns, again and again until {@link stop}. */
  start(text: () => string): void {
    this.stop();
    if (this.quiet) return;
    const show = () => {
      if (this.terminal) this.out.write(CLEAR_LINE + this.cut(text()));
      else this.out.write(`${text()}\n`);
      this.drawn = this.terminal;
    };
    if (this.terminal) show();
    this.timer = setInterval(show, this.terminal ? REDRAW_INTERVAL : LOG_INTERVAL);
  }

  /** Writes a line that stays, above the moving one; to `out` of its own where it belongs elsewhere. */
  say(text: string, out: Out = this.out): void {
    if (this.quiet) return;
    this.clear();
    out.write(`${text}\n`);
  }

  /** Ends the moving line and takes it away. */
  stop(): void {
    clearInterval(this.timer);
    this.timer = undefined;
    this.clear();
  }

  private clear(): void {
    if (this.drawn) this.out.write(CLEAR_LINE);
    this.drawn = false;
  }

  private cut(text: string): string {
    const width = Math.max((this.out.columns ?? 80) - 1, NARROWEST);
    return text.length <= width ? text : `${text.slice(0, width - 1)}…`;
  }
}
