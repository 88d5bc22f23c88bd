/** The cache of teacher logits that a configuration reads, written. */
import type { z } from 'zod';
import * as data from '../../data/index.js';
import type { TeacherCacheManifest } from '../teacher-cache/manifest.js';
import { cacheTeacherLogits } from '../teacher-cache/write.js';
import { openData } from './open-data.js';
import { llamaOf, Open } from './parts.js';
import type { distillConfig } from './schema.js';

type Config = z.output<typeof distillConfig>;

/** How {@link cacheConfig} is told what to keep, watched and stopped. */
export interface CacheWatch {
  /** Tokens that are kept at each position. */
  readonly k: number;
  readonly signal?: AbortSignal;
  readonly onBatch?: (done: number, total: number) => void;
}

/** The cache that a configuration names, and the batches that it needs. */
export interface CachePlan {
  readonly folder: string;
  readonly steps: number;
}

/** The stage whose teacher's logits are cached. */
function stageOf(config: Config) {
  const [at, stage] =
    config.recipe === 'mohawk'
      ? (['stages.logits', config.stages.logits] as const)
      : ([undefined, config] as const);
  if (!stage) throw new RangeError(`${at}: only this stage reads logits, and it is not there`);
  const { teacherLogits = 'live' } = stage;
  if (teacherLogits === 'live') {
    const field = [...(at === undefined ? [] : [at]), 'teacherLogits'].join('.');
    throw new RangeError(`${field}: expected { "cache": folder }, got ${teacherLogits}`);
  }
  return { stage, folder: teacherLogits.cache };
}

/**
 * The folder and size of the cache that a configuration reads.
 *
 * @throws RangeError where it reads none.
 */
export function cachePlanOf(config: Config): CachePlan {
  const { stage, folder } = stageOf(config);
  return { folder, steps: stage.steps };
}

/**
 * Writes the cache that a configuration reads, or goes on with it.
 *
 * @throws what `cacheTeacherLogits` throws; RangeError where the configuration reads no cache.
 */
export async function cacheConfig(
  config: Config,
  { k, signal, onBatch }: CacheWatch,
): Promise<TeacherCacheManifest> {
  const { stage, folder } = stageOf(config);
  const open = new Open();
  try {
    const teacher = llamaOf(config.teacher, open);
    const { batches } = open.addData(
      await openData(stage.data, data.loadTokenizer(config.teacher)),
    );
    return await cacheTeacherLogits(teacher, batches, {
      k,
      folder,
      steps: stage.steps,
      temperature: stage.temperature ?? 1,
      identity: { data: stage.data },
      ...(signal && { signal }),
      ...(onBatch && { onBatch }),
    });
  } finally {
    await open.close();
  }
}
