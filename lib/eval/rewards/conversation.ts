/** A completion as the conversation that RLHFlow's reward models were trained on. */
import type { ChatMessage, Tokenizer } from '../../data/index.js';

/** A process reward model scores each step, an outcome reward model the whole completion. */
export type RewardKind = 'process' | 'outcome';

/** What is judged, piece by piece: each ends where the model says what it thinks of it. */
export interface Conversation {
  /** Token ids of the pieces; one after the other they are the conversation. */
  readonly pieces: readonly (readonly number[])[];
}

/**
 * The steps of a completion: what blank lines part, without the space around them.
 */
export function splitSteps(text: string): string[] {
  return text
    .split(/\r?\n[ \t]*\r?\n/)
    .map((step) => step.trim())
    .filter((step) => step !== '');
}

/**
 * The conversation in which a completion is judged, as RLHFlow's Llama-3.1-8B models have it: a turn of
 * the user for each step, the first with the question before it, and `+` as the answer to each. The
 * model's opinion of a step is what it would answer instead, given that it said `+` to those before.
 *
 * @param good the answer to every step.
 * @throws Error where the tokenizer does not keep the answers apart from the turns around them.
 */
export function conversationOf(
  tokenizer: Tokenizer,
  kind: RewardKind,
  question: string,
  completion: string,
  good: string,
): Conversation {
  const whole = completion.trim();
  const steps = kind === 'process' ? splitSteps(completion) : whole === '' ? [] : [whole];
  const messages: ChatMessage[] = [];
  const texts: string[] = [];
  let before = '';
  for (const [i, step] of steps.entries()) {
    messages.push({ role: 'user', content: i === 0 ? `${question} ${step}` : step });
    const text = tokenizer.applyChatTemplate(messages, { addGenerationPrompt: true });
    if (!text.startsWith(before)) {
      throw new Error(
        "reward model: the chat template does not write a conversation's turns one after the other",
      );
    }
    texts.push(text.slice(before.length));
    before = text;
    messages.push({ role: 'assistant', content: good });
  }
  const encode = (text: string) => tokenizer.encode(text, { addSpecialTokens: false });
  const pieces = texts.map(encode);
  const apart = pieces.flat();
  const together = encode(before);
  if (apart.length !== together.length || apart.some((id, i) => id !== together[i])) {
    throw new Error(
      `reward model: the tokenizer joins the answer ${JSON.stringify(good)} with what is around it`,
    );
  }
  return { pieces };
}
