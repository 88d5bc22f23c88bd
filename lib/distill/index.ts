export type { AdamW, AdamWOptions } from './adamW.js';
export * as losses from './losses.js';
export * as optimizers from './optimizers.js';
export * as schedules from './schedules.js';
