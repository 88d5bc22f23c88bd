/** Executes one notebook into a folder that appears whole: notebook, HTML, figures and record. */
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { rasterize } from '../../plots/render.js';
import { nbconvert } from './jupyter.js';
import { figuresOf, type Notebook } from './notebook.js';
import { machineOf, RECORD, type RunRecord } from './record.js';

/** What {@link execute} needs besides the notebook. */
export interface ExecuteOptions {
  /** The output folder; results go to `<out>/<name>/`. */
  readonly out: string;
  readonly scale: string;
  /** Variables that the notebook's kernel gets. */
  readonly environment: Readonly<Record<string, string>>;
  /** Recorded, so that an unchanged notebook need not run again. */
  readonly inputs: string;
  readonly onProgress: (text: string) => void;
}

/** Where this process executes a notebook: beside its results, until they are whole. */
const workFolder = (out: string, name: string) => join(out, `.${name}.${process.pid}`);

/** The file in which the kernel of a notebook that this process executes says what it is at. */
export const progressFile = (out: string, name: string): string =>
  join(workFolder(out, name), 'progress.json');

/** The work folders of a notebook's runs that were killed. */
export function abandoned(out: string, name: string): readonly string[] {
  return readdirSync(out).filter((entry) => {
    const pid = entry.startsWith(`.${name}.`) ? Number(entry.slice(name.length + 2)) : 0;
    return pid > 0 && !isRunning(pid);
  });
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Pixels of a PNG for each unit of its SVG. */
const PNG_SCALE = 2;

/** Draws an SVG file as a PNG beside it; undefined where it cannot be drawn, as one without a size. */
function writePNG(path: string): string | undefined {
  let image: Buffer;
  try {
    image = rasterize(readFileSync(path, 'utf8'), PNG_SCALE);
  } catch {
    return undefined;
  }
  const target = path.replace(/\.svg$/, '.png');
  writeFileSync(target, image);
  return basename(target);
}

/**
 * Runs every cell in the notebook's own kernel, converts to HTML and takes the SVG outputs out, as PNG too. Results of
 * an earlier run stay until the new ones are whole.
 * @throws NotebookFailure with the failing cell
 */
export async function execute(notebook: Notebook, options: ExecuteOptions): Promise<RunRecord> {
  const { name, path, title, summary } = notebook;
  const folder = join(options.out, name);
  const work = workFolder(options.out, name);
  const progress = progressFile(options.out, name);
  const executed = join(work, `${name}.ipynb`);
  mkdirSync(work, { recursive: true });
  for (const entry of abandoned(options.out, name)) {
    rmSync(join(options.out, entry), { recursive: true, force: true });
  }
  try {
    const began = Date.now();
    options.onProgress('executing');
    const into = ['--output-dir', work, '--output', `${name}.ipynb`];
    // Cells may take hours at larger scales; the kernel itself must answer within two minutes.
    const limits = [
      '--ExecutePreprocessor.timeout=-1',
      '--ExecutePreprocessor.startup_timeout=120',
    ];
    await nbconvert(['--to', 'notebook', '--execute', ...limits, ...into, path], {
      ...options.environment,
      MAMBALAB_PROGRESS: progress,
    });
    const seconds = (Date.now() - began) / 1000;
    rmSync(progress, { force: true });
    options.onProgress('writing HTML');
    // Text that was streamed in pieces would stand in as many paragraphs.
    const streams = '--CoalesceStreamsPreprocessor.enabled=True';
    await nbconvert(['--to', 'html', streams, '--output-dir', work, executed]);
    const figures = figuresOf(executed).map((svg, i) => {
      const file = `fig${i + 1}.svg`;
      writeFileSync(join(work, file), svg);
      return file;
    });
    const pngs = figures.flatMap((file) => writePNG(join(work, file)) ?? []);
    const record: RunRecord = {
      name,
      title,
      summary,
      scale: options.scale,
      inputs: options.inputs,
      startedAt: new Date(began).toISOString(),
      seconds,
      figures,
      pngs,
      ...machineOf(),
    };
    writeFileSync(join(work, RECORD), `${JSON.stringify(record, null, 2)}\n`);
    rmSync(folder, { recursive: true, force: true });
    renameSync(work, folder);
    return record;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
