export type { EngineInfo } from '../native/addon.js';
export { assign, type Captured, capture, Program } from './capture.js';
export { type Device, type InitOptions, init } from './init.js';
export { type MachineRates, measureRates } from './limits.js';
export { isOutOfMemory, type MemoryReport, memory } from './memory.js';
export { type ProfiledOp, profile } from './profile.js';
