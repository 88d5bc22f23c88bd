#!/usr/bin/env node
// Makes a bundle of this checkout: `node lib/setup/bundle/main.mjs --help`.

const help = `Usage: npm run bundle -- [options]

Makes a folder and an archive that run mambalab on a Linux x86-64 machine with nothing installed: the
program as a few JavaScript files, the engine with its CUDA kernels, Node.js, the mini world's teacher and
tokenizer, the benchmarks, documents, licences, and bundle.json with commit, versions and SHA-256 of every
file. TypeScript is compiled first where it changed; the engine has to be built (npm run setup). The archive
(tar.xz, or tar.gz where xz is missing) has the same bytes whenever it is made of the same files.

Options:
  --out <folder>   where folder and archive go (default out/bundle)
  --no-archive     the folder alone
  --node           with the Node.js that runs this, whatever the size
  --no-node        without it: the machine must have Node.js 20.19 or newer, below 25
  --help           print this
Without --node and --no-node, Node.js is left out where the archive would be above 30 MB.

Examples:
  npm run bundle
  npm run bundle -- --out /tmp/bundle --no-archive
  tar -xf mambalab-0.1.0-linux-x64.tar.xz && mambalab-0.1.0-linux-x64/mambalab doctor`;

function usageError(message) {
  process.stderr.write(`bundle: ${message}\n(--help lists the options)\n`);
  process.exit(2);
}

function parse(args) {
  const options = { out: undefined, archive: true, node: undefined };
  for (let i = 0; i < args.length; i += 1) {
    const [option, inline] = args[i].split(/=(.*)/s, 2);
    if (option === '--help' || option === '-h') {
      process.stdout.write(`${help}\n`);
      process.exit(0);
    } else if (option === '--out') {
      if (inline === undefined) i += 1;
      options.out = inline ?? args[i];
      if (!options.out || options.out.startsWith('--')) usageError('--out needs a folder');
    } else if (args[i] === '--no-archive') {
      options.archive = false;
    } else if (args[i] === '--node' || args[i] === '--no-node') {
      const node = args[i] === '--node';
      if (options.node === !node) usageError('--node and --no-node exclude each other');
      options.node = node;
    } else {
      usageError(`unknown option '${args[i]}'`);
    }
  }
  return options;
}

const options = parse(process.argv.slice(2));
// Imported late, so that an old Node.js that cannot read these files still prints the help above.
const { makeBundle } = await import('./bundle.mjs');
const { explain } = await import('../setup.mjs');
const { root } = await import('../places.mjs');
try {
  const out = options.out ?? `${root}/out/bundle`;
  await makeBundle({ ...options, out }, (line) => process.stdout.write(`${line}\n`));
} catch (error) {
  process.stderr.write(`bundle: ${explain(error).join('\n')}\n`);
  process.exitCode = 1;
}
