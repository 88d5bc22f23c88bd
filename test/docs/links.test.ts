/** The documents: what they link to is there, and the index by task leads to each of them. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, expect, it } from 'vitest';
import { root } from '#setup/places.mjs';

const namesIn = (folder: string, end: string) =>
  readdirSync(join(root, folder)).filter((name) => name.endsWith(end));

const documents = [
  'README.md',
  'CONTRIBUTING.md',
  'environment.md',
  'examples/README.md',
  'kernel/README.md',
  ...namesIn('docs', '.md').map((name) => `docs/${name}`),
];

const read = (path: string) => readFileSync(path, 'utf8').replaceAll(/^```.*?^```/gms, '');

/** The anchors of a page's headings, as GitHub makes them. */
function anchorsOf(text: string): string[] {
  return [...text.matchAll(/^#+ +(.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .trim()
      .replaceAll(/\s/g, '-'),
  );
}

/** Links of a page, written `[text](target)`, that lead nowhere. */
function broken(document: string): string[] {
  const path = join(root, document);
  const links = [...read(path).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target);
  return links.filter((link) => {
    if (/^[a-z]+:/.test(link)) return false;
    const [file = '', anchor] = link.split('#');
    const target = file === '' ? path : join(dirname(path), file);
    if (!existsSync(target)) return true;
    return anchor !== undefined && !anchorsOf(read(target)).includes(anchor);
  });
}

describe('links', () => {
  it.each(documents)('of %s lead somewhere', (document) => {
    expect(broken(document)).toEqual([]);
  });
});

describe('docs/README.md', () => {
  const index = read(join(root, 'docs', 'README.md'));
  const pages = documents.filter((page) => page !== 'README.md' && page !== 'docs/README.md');
  const examples = namesIn('examples', '.ts').filter((name) => isScript(`examples/${name}`));

  it.each([...pages, ...examples.map((name) => `examples/${name}`)])('leads to %s', (page) => {
    const link = relative('docs', page);
    expect(index.includes(`](${link})`) || index.includes(`](${link}#`)).toBe(true);
  });
});

/** Whether an example runs on its own: the others are parts of one. */
function isScript(path: string): boolean {
  return readFileSync(join(root, path), 'utf8').includes("from './options.js'");
}
