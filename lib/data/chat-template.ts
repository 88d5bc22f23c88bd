import { Environment, Interpreter, parse, tokenize } from '@huggingface/jinja';
import { CheckpointError } from '../models/files/errors.js';

/** One turn of a conversation. */
export interface ChatMessage {
  /** Usually `system`, `user` or `assistant`; the template decides. */
  readonly role: string;
  readonly content: string;
}

/** Options of `applyChatTemplate`. */
export interface ChatTemplateOptions {
  /** End with the words that open the assistant's turn. */
  readonly addGenerationPrompt?: boolean;
  /**
   * The day that templates with a date write, as a Date (its UTC day) or `YYYY-MM-DD`. Without it
   * they write their own fixed date, so that prompts are the same on every day.
   */
  readonly date?: Date | string;
}

/** Renders conversations by a model's chat template. */
export type ChatTemplate = (
  messages: readonly ChatMessage[],
  options?: ChatTemplateOptions,
) => string;

/**
 * Prepares a Jinja chat template.
 *
 * @param path the file that it came from, for errors.
 * @param variables the token texts that templates use, such as `bos_token`.
 * @throws CheckpointError when the template cannot be parsed; the returned function also when it
 *   cannot be rendered, and TypeError for messages that are none.
 */
export function chatTemplate(
  path: string,
  source: string,
  variables: Readonly<Record<string, string | undefined>>,
): ChatTemplate {
  const fail = (expected: string, error: unknown): CheckpointError =>
    new CheckpointError(path, 'chat template', expected, (error as Error).message);
  let program: ReturnType<typeof parse>;
  try {
    program = parse(tokenize(source, { lstrip_blocks: true, trim_blocks: true }));
  } catch (error) {
    throw fail('valid Jinja', error);
  }
  return (messages, { addGenerationPrompt = false, date } = {}) => {
    checkMessages(messages);
    try {
      const rendered = new Interpreter(
        environment({
          ...variables,
          ...dateVariables(date),
          messages: messages.map(({ role, content }) => ({ role, content })),
          add_generation_prompt: addGenerationPrompt,
        }),
      ).run(program) as { value: string };
      return rendered.value;
    } catch (error) {
      const needsDate = date === undefined && source.includes('strftime_now');
      const advice = needsDate ? ' (it writes the date: pass `date`)' : '';
      throw fail(`a template for these messages${advice}`, error);
    }
  };
}

/**
 * Jinja's constants and the functions of chat templates. The library's own set has today's date in
 * it, which would make prompts differ from day to day, so `strftime_now` is only there with a date.
 */
function environment(variables: Readonly<Record<string, unknown>>): Environment {
  const environment = new Environment();
  const globals = {
    ...{ true: true, false: false, none: null, True: true, False: false, None: null },
    raise_exception: (message: string) => {
      throw new Error(message);
    },
    range,
  };
  for (const [name, value] of Object.entries({ ...globals, ...variables })) {
    if (value !== undefined) environment.set(name, value);
  }
  return environment;
}

const longestRange = 1_000_000;

/** Jinja's `range`, of a length that a hostile template cannot use up the memory with. */
function range(first: number, last?: number, step = 1): number[] {
  const [start, stop] = typeof last === 'number' ? [first, last] : [0, first];
  const length = Math.max(0, Math.ceil((stop - start) / step));
  if (!(length <= longestRange)) throw new Error(`range of more than ${longestRange} numbers`);
  return Array.from({ length }, (_, i) => start + i * step);
}

function checkMessages(messages: readonly ChatMessage[]): void {
  const what = 'applyChatTemplate: messages';
  if (!Array.isArray(messages) || messages.length === 0) {
    throw new TypeError(`${what}: expected a list of at least one message`);
  }
  for (const [i, message] of messages.entries()) {
    for (const key of ['role', 'content'] as const) {
      const value: unknown = message?.[key];
      if (typeof value !== 'string') {
        throw new TypeError(`${what}[${i}].${key}: expected a string, got ${typeof value}`);
      }
    }
  }
}

function dateVariables(date: Date | string | undefined): Record<string, unknown> {
  if (date === undefined) return {};
  const day = typeof date === 'string' ? new Date(`${date}T00:00:00Z`) : date;
  if (!(day instanceof Date) || Number.isNaN(day.getTime())) {
    throw new TypeError(`applyChatTemplate: date: expected a Date or YYYY-MM-DD, got ${date}`);
  }
  return {
    date_string: formatDate(day, '%d %b %Y'),
    strftime_now: (format: string) => formatDate(day, format),
  };
}

/** The directives of C's strftime that chat templates use, in English and UTC. */
function formatDate(day: Date, format: string): string {
  const name = (options: Intl.DateTimeFormatOptions): string =>
    new Intl.DateTimeFormat('en-US', { ...options, timeZone: 'UTC' }).format(day);
  const two = (value: number): string => String(value).padStart(2, '0');
  const directives: Readonly<Record<string, () => string>> = {
    a: () => name({ weekday: 'short' }),
    A: () => name({ weekday: 'long' }),
    b: () => name({ month: 'short' }),
    B: () => name({ month: 'long' }),
    d: () => two(day.getUTCDate()),
    m: () => two(day.getUTCMonth() + 1),
    Y: () => String(day.getUTCFullYear()),
    H: () => two(day.getUTCHours()),
    M: () => two(day.getUTCMinutes()),
    S: () => two(day.getUTCSeconds()),
    '%': () => '%',
  };
  return format.replace(/%(.)/g, (whole, letter: string) => directives[letter]?.() ?? whole);
}
