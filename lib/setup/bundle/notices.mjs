// The licences of what others wrote, as they ask for: one text beside the bundle's own licence.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const licenceOf = ({ license, licenses }) =>
  [license?.type ?? license, ...(licenses ?? []).map(({ type }) => type)]
    .filter(Boolean)
    .join(', ');

function packageNotice(folder) {
  const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const texts = readdirSync(folder)
    .filter((name) => /^(licen[cs]e|notice|copying)/i.test(name))
    .sort()
    .map((name) => readFileSync(join(folder, name), 'utf8').trim());
  const from = manifest.repository?.url ?? manifest.repository ?? manifest.homepage ?? '';
  const title = `${manifest.name} ${manifest.version} (${licenceOf(manifest) || 'no licence named'})`;
  return [title, ...(texts.length > 0 ? texts : [from])].join('\n\n');
}

function nodeNotice() {
  const bin = dirname(process.execPath);
  const places = [join(bin, '..', 'LICENSE'), join(bin, '..', 'share', 'doc', 'nodejs', 'LICENSE')];
  const file = places.find((path) => existsSync(path) && /node/i.test(readFileSync(path, 'utf8')));
  const text = file
    ? readFileSync(file, 'utf8').trim()
    : `https://github.com/nodejs/node/blob/${process.version}/LICENSE`;
  const gcc =
    'libstdc++ and libgcc (GPL-3.0 with the GCC Runtime Library Exception 3.1)\n\nhttps://gcc.gnu.org';
  return [`Node.js ${process.version}\n\n${text}`, gcc];
}

function crateNotice(root) {
  const lock = readFileSync(join(root, 'lib', 'native', 'Cargo.lock'), 'utf8');
  const crates = [...lock.matchAll(/^name = "(.+)"\nversion = "(.+)"\nsource/gm)];
  const lines = crates.map(([, name, version]) => `https://crates.io/crates/${name}/${version}`);
  return ["Crates of the engine's Cargo.lock", lines.join('\n')].join('\n\n');
}

/**
 * The notices as one text.
 * @param packages folders of the packages of npm that are in the bundle
 */
export function noticesOf(root, packages, withNode) {
  const rule = `\n\n${'-'.repeat(80)}\n\n`;
  const parts = [
    'What others wrote of this bundle, with its licences.',
    ...packages.map(packageNotice),
    crateNotice(root),
    ...(withNode ? nodeNotice() : []),
  ];
  return `${parts.join(rule)}\n`;
}
