#!/usr/bin/env node
// Samples with llama.cpp (node-llama-cpp, in .mambalab/peers/node), for bench/decode.ts to time.
//
// Arguments: the GGUF file, threads. Standard input: one JSON request a line, {"prompt": ids, "batch": n,
// "new": n, "temperature": t}. Standard output: one JSON line when ready, then one a request with its
// seconds; {"error": text} where a request failed. Every sequence reads the prompt itself: the package
// has no way to share it.
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import { localFolder } from '../../lib/setup/places.mjs';

const say = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);

async function open(file, threads) {
  const require = createRequire(join(localFolder, 'peers', 'node', 'package.json'));
  const { getLlama } = await import(pathToFileURL(require.resolve('node-llama-cpp')).href);
  const llama = await getLlama({
    gpu: false,
    build: 'never',
    skipDownload: true,
    progressLogs: false,
    logLevel: 'error',
    maxThreads: threads,
  });
  return llama.loadModel({ modelPath: file, gpuLayers: 0 });
}

/** The sequences of one batch size; kept, since making a context is no part of sampling. */
class Context {
  static async of(model, threads, { batch, prompt, room }) {
    const context = await model.createContext({
      sequences: batch,
      contextSize: prompt.length + room,
      batchSize: Math.max(512, batch),
      threads: { ideal: threads, min: threads },
    });
    return new Context(context, batch, prompt.length + room);
  }

  constructor(context, batch, size) {
    Object.assign(this, { context, batch, size });
    this.sequences = Array.from({ length: batch }, () => context.getSequence());
  }

  async sample({ prompt, new: count, temperature }) {
    for (const sequence of this.sequences) await sequence.clearHistory();
    const start = performance.now();
    const drawn = await Promise.all(
      this.sequences.map(async (sequence, seed) => {
        const options = { temperature, topK: 0, topP: 1, minP: 0, seed, yieldEogToken: true };
        let tokens = 0;
        for await (const _ of sequence.evaluate(prompt, options)) {
          tokens += 1;
          if (tokens === count) break;
        }
        return tokens;
      }),
    );
    const short = drawn.find((tokens) => tokens !== count);
    if (short !== undefined) throw new Error(`a sequence ended after ${short} of ${count} tokens`);
    return { seconds: (performance.now() - start) / 1000 };
  }
}

const [file, threads] = [process.argv[2], Number(process.argv[3])];
let context;
let model;
try {
  model = await open(file, threads);
  say({ ready: true });
} catch (error) {
  say({ error: error.message });
  process.exit(1);
}
for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  try {
    const room = Math.max(request.new, request.room ?? 0);
    if (context?.batch !== request.batch || context.size < request.prompt.length + room) {
      await context?.context.dispose();
      context = await Context.of(model, threads, { ...request, room });
    }
    say(await context.sample(request));
  } catch (error) {
    say({ error: error.message });
  }
}
process.exit(0);
