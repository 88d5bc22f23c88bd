import type { Command } from 'commander';
import { isBundle } from '#setup/places.mjs';
import { CliError, type GlobalOptions, type Io, printJson, table } from '../command.js';
import { bundleFindings } from '../doctor/bundle.js';
import type { Finding } from '../doctor/finding.js';
import { machineFindings } from '../doctor/machine.js';
import { projectFindings } from '../doctor/project.js';
import { toolFindings } from '../doctor/tools.js';

const marks: Record<Finding['status'], string> = { ok: 'ok', missing: 'MISSING', none: '-' };

function describe(findings: readonly Finding[]): string {
  const rows = findings.map(({ name, status, found }) => [marks[status], name, found]);
  const fixes = findings.filter(({ fix }) => fix).map(({ name, fix }) => `  ${name}: ${fix}`);
  const end = fixes.length > 0 ? `\nTo mend:\n${fixes.join('\n')}\n` : '\nNothing is missing.\n';
  return table(rows) + end;
}

/** `doctor`: what was found of all that mambalab needs or can use; fails where something required is missing. */
export function registerDoctor(program: Command, io: Io): void {
  program
    .command('doctor')
    .description('show what this machine has of all that mambalab needs, and how to get the rest')
    .addHelpText('after', '\nExamples:\n  mambalab doctor\n  mambalab doctor --json')
    .action(async (_options, command: Command) => {
      const { json } = command.optsWithGlobals<GlobalOptions>();
      const findings = isBundle
        ? [...machineFindings(), ...(await bundleFindings())]
        : [...toolFindings(), ...machineFindings(), ...(await projectFindings())];
      const healthy = findings.every(({ status }) => status !== 'missing');
      if (json) printJson(io, { ok: healthy, findings });
      else io.out.write(describe(findings));
      if (!healthy) throw new CliError('something that is needed is missing', 1, true);
    });
}
