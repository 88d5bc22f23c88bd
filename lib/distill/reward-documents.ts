/** Labelled steps as what a process reward model is trained on. */
import type { Tokenizer } from '../data/index.js';
import { conversationOf } from '../eval/rewards/conversation.js';
import type { TokenDocument } from './token-documents.js';

/** A solution whose steps are judged. */
export interface LabelledSteps {
  readonly question: string;
  /** The whole text; its steps are what blank lines part. */
  readonly completion: string;
  /** Of each step whether it is right. */
  readonly labels: readonly boolean[];
}

/**
 * Solutions in the form in which `eval.rewardModel` scores them: after each step the label `+` or `-`
 * is asked for. What the model reads has `+` after every step, as it has when it scores; only the labels
 * differ.
 *
 * @throws RangeError naming a solution whose labels are not as many as its steps.
 */
export function rewardDocuments(
  tokenizer: Tokenizer,
  solutions: readonly LabelledSteps[],
  { good = '+', bad = '-' }: { good?: string; bad?: string } = {},
): TokenDocument[] {
  const [plus, minus] = [good, bad].map((answer) => {
    const ids = tokenizer.encode(answer, { addSpecialTokens: false });
    if (ids.length === 1) return ids[0] as number;
    throw new RangeError(`rewardDocuments: '${answer}' is ${ids.length} tokens here, not one`);
  }) as [number, number];
  return solutions.map(({ question, completion, labels }, i) => {
    const { pieces } = conversationOf(tokenizer, 'process', question, completion, good);
    if (pieces.length !== labels.length) {
      throw new RangeError(
        `rewardDocuments: solution ${i} has ${pieces.length} steps and ${labels.length} labels`,
      );
    }
    const tokens = pieces.flat();
    const document = {
      id: `solution ${i}`,
      tokens,
      labels: tokens.map(() => 0),
      mask: tokens.map(() => 0),
    };
    let at = -1;
    for (const [step, piece] of pieces.entries()) {
      at += piece.length;
      document.labels[at] = labels[step] ? plus : minus;
      document.mask[at] = 1;
    }
    return document;
  });
}
