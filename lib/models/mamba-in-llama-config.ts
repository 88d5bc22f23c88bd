import type { LlamaConfig } from './llama-config.js';

/** Mamba-1 with grouped heads: `dXb / stateDim` heads of x and B serve `dInner / stateDim` of C. */
export interface GroupedMambaConfig {
  readonly type: 'mamba';
  /** Channels. */
  readonly dInner: number;
  /** Width of x and B before they are repeated to `dInner`; divides it. */
  readonly dXb: number;
  /** Numbers of state a channel; also the width of the heads that B and C are cut into. */
  readonly stateDim: number;
  /** Width of the low-rank projection of the time step. */
  readonly dtRank: number;
  readonly convWidth: number;
}

/** Mamba-2 with grouped heads and a gated norm. */
export interface GroupedMamba2Config {
  readonly type: 'mamba2';
  readonly dInner: number;
  readonly dXb: number;
  /**
   * Heads of `dInner / nHeads` channels. The state of a head is square, and the gated norm takes its
   * mean squares over one head.
   */
  readonly nHeads: number;
  readonly convWidth: number;
}

/**
 * How a checkpoint names and joins its tensors: MambaInLlama's own (`self_attn.q_proj`; Mamba-1 with
 * a tensor for each projection) or M1's (`mha.in_proj`; all of Mamba-1's projections in one tensor).
 */
export type MambaInLlamaLayout = 'mamba-in-llama' | 'm1';

/** A Llama in which most layers are Mambas. */
export interface MambaInLlamaConfig extends Omit<LlamaConfig, 'family'> {
  readonly family: 'mamba-in-llama';
  /** The layers that are attention still, in order, counted from 0. */
  readonly attentionLayers: readonly number[];
  readonly mixer: GroupedMambaConfig | GroupedMamba2Config;
  readonly layout: MambaInLlamaLayout;
}
