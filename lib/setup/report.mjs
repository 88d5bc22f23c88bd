// What set-up shows: a line that moves on a terminal, plain lines elsewhere, nothing when quiet.
const beat = 30_000;

export const seconds = (ms) => `${(ms / 1000).toFixed(ms < 9950 ? 1 : 0)} s`;

/** A reporter writes to `out`; `terminal` says whether lines may be rewritten. */
export function makeReport({ out = process.stdout, terminal = out.isTTY, quiet = false } = {}) {
  let line = '';
  let status = '';
  let timer;
  let began = 0;

  const put = (text) => {
    if (!quiet) out.write(text);
  };
  const draw = () => {
    const width = (out.columns ?? 80) - 1;
    const text = `${line} ... ${seconds(Date.now() - began)}  ${status}`;
    put(`\r\x1b[2K${text.slice(0, width)}`);
  };
  const settle = () => {
    clearInterval(timer);
    timer = undefined;
    if (terminal) put('\r\x1b[2K');
  };

  return {
    say(text) {
      settle();
      put(`${text}\n`);
    },
    begin(text) {
      line = text;
      status = '';
      began = Date.now();
      if (terminal) {
        draw();
        timer = setInterval(draw, 200);
      } else {
        put(`${line}\n`);
        timer = setInterval(() => {
          put(
            `  still running after ${seconds(Date.now() - began)}: ${status.slice(0, 100) || 'no output yet'}\n`,
          );
        }, beat);
      }
    },
    progress(text) {
      // biome-ignore lint/suspicious/noControlCharactersInRegex: colour codes of other programs are dropped
      status = text.replace(/\x1b\[[0-9;]*m/g, '').trim();
    },
    end(text) {
      settle();
      put(`${text}\n`);
    },
  };
}
