import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Version of the Jupyter messaging protocol that the kernel speaks. */
export const protocolVersion = '5.4';

/** Version of a package that holds a file, read without loading the package. */
function versionAbove(wanted: string, url: string): string {
  let folder = dirname(fileURLToPath(url));
  for (;;) {
    try {
      const text = readFileSync(join(folder, 'package.json'), 'utf8');
      const { name, version } = JSON.parse(text) as { name?: string; version?: string };
      if (name === wanted && version !== undefined) return version;
    } catch {
      // No package.json here: look further up.
    }
    const up = dirname(folder);
    if (up === folder) return 'unknown';
    folder = up;
  }
}

/** What the cells of a notebook are written in. */
export type NotebookLanguage = 'typescript' | 'javascript';

/** What front ends need to know of each language. */
const languages = {
  typescript: {
    name: 'typescript',
    mimetype: 'text/typescript',
    file_extension: '.ts',
    pygments_lexer: 'typescript',
    codemirror_mode: { name: 'javascript', typescript: true },
  },
  javascript: {
    name: 'javascript',
    mimetype: 'text/javascript',
    file_extension: '.js',
    pygments_lexer: 'javascript',
    codemirror_mode: { name: 'javascript' },
  },
} as const;

/** The content of a `kernel_info_reply`. */
export function kernelInfo(language: NotebookLanguage): Record<string, unknown> {
  const version = versionAbove('mambalab', import.meta.url);
  const typescript = versionAbove('typescript', import.meta.resolve('typescript'));
  return {
    status: 'ok',
    protocol_version: protocolVersion,
    implementation: 'mambalab',
    implementation_version: version,
    language_info: {
      ...languages[language],
      version: language === 'typescript' ? typescript : process.versions.node,
      nbconvert_exporter: 'script',
    },
    banner: `mambalab ${version}, TypeScript ${typescript}, Node.js ${process.versions.node}`,
    debugger: false,
    supported_features: ['kernel subshells'],
    help_links: [
      { text: 'TypeScript', url: 'https://www.typescriptlang.org/docs/' },
      { text: 'Vega-Lite', url: 'https://vega.github.io/vega-lite/docs/' },
      { text: 'Arquero', url: 'https://idl.uw.edu/arquero/' },
    ],
  };
}
