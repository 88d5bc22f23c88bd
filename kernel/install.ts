/** Writing the kernelspecs, by which Jupyter finds the kernel. */
import { copyFileSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Where the kernel goes and what it runs. */
export interface InstallOptions {
  /** An installation prefix such as a virtual environment: the spec goes to its share/jupyter. */
  prefix?: string;
  /** A Jupyter data folder, in place of a prefix: a user's own lies elsewhere on each platform. */
  dataFolder?: string;
  /** The folder of mambalab's package.json. */
  packageRoot: string;
  /** The Node.js that runs the kernel. */
  nodePath: string;
  /** The spec's name; default `mambalab`. */
  name?: string;
}

/** What the kernel calls its spec for JavaScript, beside the one for TypeScript. */
export const javascriptName = (name: string): string => `${name}-javascript`;

/**
 * Writes two `kernel.json` into a prefix, for TypeScript under the name and for JavaScript beside
 * it; older ones are replaced at once.
 *
 * @returns The folder of the TypeScript spec, and that of the JavaScript one.
 */
export async function installKernelSpec(
  options: InstallOptions,
): Promise<{ path: string; javascriptPath: string }> {
  const { prefix, packageRoot, nodePath, name = 'mambalab' } = options;
  const dataFolder = options.dataFolder ?? (prefix && join(prefix, 'share', 'jupyter'));
  if (!dataFolder)
    throw new Error('kernel install: expected a prefix or a data folder, got neither');
  if (!/^[\w.-]+$/.test(name)) {
    throw new Error(
      `kernel name: expected letters, digits, '.', '_' and '-', got ${JSON.stringify(name)}`,
    );
  }
  const program = [nodePath, join(packageRoot, 'dist', 'kernel', 'main.js'), '{connection_file}'];
  const logo = join(packageRoot, 'kernel', 'spec', 'logo-svg.svg');
  const write = (specName: string, title: string, language: string, flags: string[]): string => {
    const path = join(dataFolder, 'kernels', specName);
    const spec = {
      argv: [...program, ...flags],
      display_name: `${title} (mambalab)`,
      language,
      interrupt_mode: 'message',
      metadata: { mambalab: { debugger: false } },
    };
    mkdirSync(path, { recursive: true });
    copyFileSync(logo, join(path, 'logo-svg.svg'));
    const file = join(path, 'kernel.json');
    writeFileSync(`${file}.part`, `${JSON.stringify(spec, null, 2)}\n`);
    renameSync(`${file}.part`, file);
    return path;
  };
  const javascriptPath = write(javascriptName(name), 'JavaScript', 'javascript', ['--javascript']);
  return { path: write(name, 'TypeScript', 'typescript', []), javascriptPath };
}
