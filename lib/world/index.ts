export {
  type Mixture,
  TOKENS_A_STEP,
  WorldDocuments,
  type WorldDocumentsOptions,
} from './documents.js';
export { tokenizerFolder, worldFolder, worldModel } from './folders.js';
export { readWorldManifest, type WorldManifest } from './manifest.js';
export { type MeasureOptions, measureModel, type WorldMeasurement } from './measure.js';
export { stepsOf, type WorldModel, type WorldRecipe, worldModels } from './plan.js';
export { type WorldSize, worldSizes } from './shape.js';
export { type TrainWorldOptions, trainWorld, worldDocuments } from './train-world.js';
