/** The optimizers by name. */
export { adamW } from './adamW.js';
