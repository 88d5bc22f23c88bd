import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CheckpointError, show } from '../models/files/errors.js';
import { isObject, type JsonObject, readJsonObject } from '../models/files/json.js';
import { type TokenizerFiles, tokenText } from '../models/files/tokenizer-gguf.js';

/**
 * Reads the tokenizer in a Hugging Face folder: `tokenizer.json`, and where they are there
 * `tokenizer_config.json`, `chat_template.jinja` and the end-of-text ids of
 * `generation_config.json` and `config.json`.
 *
 * @throws CheckpointError naming the file and the part that is missing or wrong.
 */
export function tokenizerFromFolder(folder: string): TokenizerFiles {
  const path = join(folder, 'tokenizer.json');
  const tokenizer = readJsonObject(path);
  const configPath = join(folder, 'tokenizer_config.json');
  const config = optionalJson(configPath) ?? {};
  const eosIds = ['generation_config.json', 'config.json'].flatMap((name) =>
    endIds(join(folder, name)),
  );
  return {
    path,
    tokenizer,
    chatTemplate: templateFile(folder) ?? templateOf(configPath, config.chat_template),
    bosToken: tokenText(configPath, 'bos_token', config.bos_token),
    eosToken: tokenText(configPath, 'eos_token', config.eos_token),
    padToken: tokenText(configPath, 'pad_token', config.pad_token),
    eosIds,
  };
}

function optionalJson(path: string): JsonObject | undefined {
  return existsSync(path) ? readJsonObject(path) : undefined;
}

function endIds(path: string): number[] {
  const value = optionalJson(path)?.eos_token_id;
  if (value === undefined || value === null) return [];
  const ids: unknown[] = Array.isArray(value) ? value : [value];
  if (ids.every((id) => Number.isSafeInteger(id))) return ids as number[];
  throw new CheckpointError(path, '"eos_token_id"', 'token ids', show(value));
}

function templateFile(folder: string): string | undefined {
  const path = join(folder, 'chat_template.jinja');
  return existsSync(path) ? readFileSync(path, 'utf8') : undefined;
}

/** A template, or the one called "default" in a list of named ones. */
function templateOf(path: string, value: unknown): string | undefined {
  if (value === undefined || value === null || typeof value === 'string') return value ?? undefined;
  const named = Array.isArray(value) ? value : [];
  const chosen = named.find((item) => isObject(item) && item.name === 'default');
  if (isObject(chosen) && typeof chosen.template === 'string') return chosen.template;
  const expected = 'a template, or a list with one named "default"';
  throw new CheckpointError(path, '"chat_template"', expected, show(value));
}
