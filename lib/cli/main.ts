#!/usr/bin/env node
import { run } from './program.js';

// A reader that has seen enough, as in `mambalab data list | head -1`, is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(0);
});

process.exitCode = await run(process.argv.slice(2));
