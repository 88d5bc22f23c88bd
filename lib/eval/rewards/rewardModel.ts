import { loadTokenizer, type Tokenizer } from '../../data/index.js';
import { type CausalModel, type LoadOptions, load } from '../../models/index.js';
import { type Conversation, conversationOf, type RewardKind } from './conversation.js';
import { scorePieces } from './scorePieces.js';

/** Options of {@link rewardModel}. */
export interface RewardModelOptions {
  /** `process` (default) scores each step, `outcome` the whole completion. */
  readonly kind?: RewardKind;
  /** The answer that speaks for a step; default `+`. */
  readonly good?: string;
  /** The answer that speaks against it; default `-`. */
  readonly bad?: string;
  /** Completions that are read side by side; default 16. */
  readonly batchSize?: number;
}

/** A model that says how good completions are. */
export interface RewardModel {
  readonly kind: RewardKind;
  /** Everything that its scores depend on. */
  readonly identity: { readonly [part: string]: unknown };
  /**
   * Scores completions of one question: of each the scores of its steps from 0 to 1, one score for an
   * outcome reward model, none for a completion without text. `reduceSteps` makes one of them.
   *
   * @throws RangeError naming a completion that is longer than the model's context.
   */
  score(question: string, completions: readonly string[]): number[][];
  dispose(): void;
}

const KINDS: readonly RewardKind[] = ['process', 'outcome'];

/**
 * Makes a reward model of a causal language model in RLHFlow's format: a chat turn for each step, and
 * the softmax over the logits of `+` and `-` where the answer begins (Dong et al. 2024, "RLHF Workflow";
 * the paper's verifier is their Llama-3.1-8B PRM trained on Deepseek's data, section 4.2).
 *
 * @throws RangeError for an option that makes no sense or an answer that the tokenizer does not have.
 */
export function rewardModel(
  model: CausalModel,
  tokenizer: Tokenizer,
  options: RewardModelOptions = {},
): RewardModel {
  const { kind = 'process', good = '+', bad = '-', batchSize = 16 } = options;
  if (!KINDS.includes(kind)) {
    throw new RangeError(`rewardModel: kind: expected ${KINDS.join(' or ')}, got ${String(kind)}`);
  }
  if (!Number.isSafeInteger(batchSize) || batchSize < 1) {
    throw new RangeError(
      `rewardModel: batchSize: expected an integer from 1 up, got ${String(batchSize)}`,
    );
  }
  const answers = { good: tokenOf(tokenizer, good), bad: tokenOf(tokenizer, bad) };
  if (answers.good === answers.bad) {
    throw new RangeError(`rewardModel: '${good}' and '${bad}' are the same token`);
  }
  const { contextLength } = model.config;
  return {
    kind,
    identity: {
      format: 'rlhflow',
      kind,
      good,
      bad,
      model: { ...model.config },
      weights: model.fingerprint(),
    },
    score(question, completions) {
      // The same text gets the same scores: read it once.
      const distinct = [...new Set(completions)];
      const conversations = distinct.map((completion, i): Conversation => {
        const conversation = conversationOf(tokenizer, kind, question, completion, good);
        const tokens = conversation.pieces.reduce((sum, piece) => sum + piece.length, 0);
        if (tokens > contextLength) {
          const index = completions.indexOf(distinct[i] as string);
          throw new RangeError(
            `reward model: completion ${index} takes ${tokens} tokens, more than the model's ` +
              `context of ${contextLength}`,
          );
        }
        return conversation;
      });
      const scores = new Map<string, number[]>();
      for (let at = 0; at < distinct.length; at += batchSize) {
        const batch = conversations.slice(at, at + batchSize);
        for (const [i, steps] of scorePieces(model, batch, answers).entries()) {
          scores.set(distinct[at + i] as string, steps);
        }
      }
      return completions.map((completion) => [...(scores.get(completion) ?? [])]);
    },
    dispose: () => model.dispose(),
  };
}

/** Loads a reward model: {@link rewardModel} of a checkpoint and its own tokenizer. */
export function loadRewardModel(
  ref: string,
  { precision, activations, ...options }: RewardModelOptions & LoadOptions = {},
): RewardModel {
  const tokenizer = loadTokenizer(ref);
  const model = load(ref, {
    ...(precision !== undefined && { precision }),
    ...(activations !== undefined && { activations }),
  });
  try {
    return rewardModel(model, tokenizer, options);
  } catch (error) {
    model.dispose();
    throw error;
  }
}

function tokenOf(tokenizer: Tokenizer, answer: string): number {
  const ids = tokenizer.encode(answer, { addSpecialTokens: false });
  if (ids.length !== 1) {
    throw new RangeError(`rewardModel: '${answer}' is ${ids.length} tokens of this model, not one`);
  }
  return ids[0] as number;
}
