import type { CompilerClient } from '../compiler/client.js';
import type { Completeness } from '../compiler/converter.js';
import type { Fields } from '../wire/message.js';
import { questionOf } from './magics.js';
import { toPoints, toUnits } from './text.js';

/** Content of a `complete_reply`. */
export async function completeReply(compiler: CompilerClient, request: Fields): Promise<Fields> {
  const { code, offset } = cursor(request);
  const { start, end, matches } = await compiler.complete(code, offset);
  const from = toPoints(code, start);
  const to = toPoints(code, end);
  return {
    status: 'ok',
    cursor_start: from,
    cursor_end: to,
    matches: matches.map(({ text }) => text),
    metadata: {
      _jupyter_types_experimental: matches.map(({ text, kind }) => ({
        start: from,
        end: to,
        text,
        type: kind,
      })),
    },
  };
}

/** Content of an `inspect_reply`. */
export async function inspectReply(compiler: CompilerClient, request: Fields): Promise<Fields> {
  const { code, offset } = cursor(request);
  const data = await inspectionBundle(compiler, code, offset);
  return { status: 'ok', found: data !== null, data: data ?? {}, metadata: {} };
}

/** What is known of the name at an offset (UTF-16 units), as a MIME bundle. */
export async function inspectionBundle(
  compiler: CompilerClient,
  code: string,
  offset: number,
): Promise<Fields | null> {
  const found = await compiler.inspect(code, offset);
  if (found === null) return null;
  const { signature, documentation } = found;
  return {
    'text/plain': documentation === '' ? signature : `${signature}\n\n${documentation}`,
    'text/markdown': `\`\`\`typescript\n${signature}\n\`\`\`\n\n${documentation}`,
  };
}

/** Content of an `is_complete_reply`. */
export async function isCompleteReply(
  compiler: CompilerClient,
  request: Fields,
): Promise<Completeness> {
  const code = String(request.code ?? '');
  return questionOf(code) === null ? compiler.isComplete(code) : { status: 'complete' };
}

function cursor(request: Fields): { code: string; offset: number } {
  const code = String(request.code ?? '');
  const at = request.cursor_pos;
  const points = typeof at === 'number' && at >= 0 ? at : code.length;
  return { code, offset: toUnits(code, points) };
}
