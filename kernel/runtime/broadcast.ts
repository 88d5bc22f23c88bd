import type { Bundle } from '../link/messages.js';
import { checkedBundle } from '../show/bundle.js';
import { send } from './channel.js';
import { currentRun } from './context.js';

/** IOPub messages that code in cells may publish. */
const allowed = new Set([
  'display_data',
  'update_display_data',
  'clear_output',
  'comm_open',
  'comm_msg',
  'comm_close',
]);

const displays = new Set(['display_data', 'update_display_data']);

/**
 * Publishes a message on IOPub as the output of the running cell. Libraries reach it as
 * `globalThis[Symbol.for('Jupyter.broadcast')]`.
 *
 * @param messageType Jupyter's name of the message, such as `display_data`.
 * @param content The message's content, as JSON.
 * @param options `metadata` and binary `buffers` of the message.
 * @throws TypeError for other messages, content that is not a JSON object, or a display whose data
 *   is no MIME bundle.
 */
export function broadcast(
  messageType: string,
  content: Bundle,
  options: { metadata?: Bundle; buffers?: readonly Uint8Array[] } = {},
): void {
  if (!allowed.has(messageType)) {
    throw new TypeError(
      `broadcast: expected one of ${[...allowed].join(', ')}, got ${String(messageType)}`,
    );
  }
  if (typeof content !== 'object' || content === null || Array.isArray(content)) {
    throw new TypeError(`broadcast: expected an object as the content of ${messageType}`);
  }
  const sent = displays.has(messageType)
    ? {
        metadata: {},
        ...content,
        data: checkedBundle(content.data, `broadcast: ${messageType}`).bundle,
      }
    : content;
  publish(currentRun().run, messageType, sent, options);
}

/** Publishes a message as the output of a run. */
export function publish(
  run: number,
  messageType: string,
  content: Bundle,
  options: { metadata?: Bundle; buffers?: readonly Uint8Array[] } = {},
): void {
  send({
    type: 'publish',
    run,
    messageType,
    content,
    metadata: options.metadata ?? {},
    buffers: (options.buffers ?? []).map((bytes) => Buffer.from(bytes).toString('base64')),
  });
}
