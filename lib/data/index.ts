export type { ChatMessage, ChatTemplateOptions } from './chat-template.js';
export { type ChoiceQuestion, type ChoiceTask, loadChoices } from './choices.js';
export { type FetchOptions, fetch } from './fetch.js';
export { type Gsm8kOptions, loadGsm8k } from './gsm8k.js';
export { type JsonLine, JsonlWriter, type ReadJsonlOptions, readJsonl } from './jsonl.js';
export {
  type FileState,
  inspect,
  locate,
  type ManifestEntry,
  type ManifestFile,
  type ManifestSource,
  readManifest,
} from './manifest.js';
export { loadMath500, type Math500Options } from './math500.js';
export {
  type AtlasQuestion,
  atlasQuestions,
  atlasText,
  type Level,
  type MiniFamily,
  type MiniOptions,
  type MiniProblem,
  miniProblems,
} from './mini.js';
export type { Problem } from './problem.js';
export { loadProblems } from './problems.js';
export {
  type PromptOptions,
  type PromptStyle,
  promptFor,
  promptMessages,
  promptStyles,
  solvedMessages,
} from './prompts.js';
export { type Difficulty, type WordProblemOptions, wordProblems } from './synthetic.js';
export {
  type AnswerKind,
  loadTask,
  type Task,
  type TaskName,
  type TaskOptions,
  taskNames,
} from './tasks.js';
export {
  type DecodeOptions,
  type EncodeOptions,
  loadTokenizer,
  type StreamDecoder,
  type Tokenizer,
} from './tokenizer.js';
export {
  type ContaminationOptions,
  contamination,
  type Overlap,
} from './training/contamination.js';
export {
  type DatasetName,
  datasetNames,
  type TextContent,
  type TrainingText,
} from './training/formats.js';
export type { SourcePlace } from './training/mix.js';
export { type TextSource, trainingTexts } from './training/source.js';
