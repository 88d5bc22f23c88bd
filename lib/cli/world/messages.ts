/** What a process that trains models of the mini world is told, and what it says. */
import type { WorldManifest } from '../../world/index.js';

/** To a worker: train this model, or save and end. */
export type ToWorker = { readonly train: string } | { readonly stop: true };

/** From a worker: how far its model is; that it is there, made now or found; or why it is not. */
export type FromWorker =
  | { readonly step: number; readonly loss: number }
  | { readonly manifest: WorldManifest; readonly made: boolean }
  | { readonly failed: string };
