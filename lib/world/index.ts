export { type Mixture, WorldDocuments, type WorldDocumentsOptions } from './documents.js';
export { tokenizerFolder, worldFolder, worldModel } from './folders.js';
export { readWorldManifest, type WorldManifest } from './manifest.js';
export { type MeasureOptions, measureModel, type WorldMeasurement } from './measure.js';
export { type WorldModel, type WorldRecipe, worldModels } from './plan.js';
export { type WorldSize, worldSizes } from './shape.js';
export { type TrainWorldOptions, trainWorld } from './train-world.js';
