import {
  ask,
  atLeast,
  findCargo,
  findLinker,
  findPython,
  nodeIsSupported,
  npmCommand,
  rustFrom,
} from '#setup/tools.mjs';
import { type Finding, missingTool, ok } from './finding.js';

/** The Node.js that runs this. */
export function node(): Finding {
  const found = `${process.version} (${process.execPath})`;
  return nodeIsSupported() ? ok('node', found) : missingTool('node', 'node', found);
}

function npm(): Finding {
  const [program, ...before] = npmCommand();
  const version = ask(program, [...before, '--version'])?.split('\n')[0];
  return version ? ok('npm', version) : missingTool('npm', 'npm', 'not found');
}

function rust(): Finding {
  const cargo = findCargo();
  if (!cargo) return missingTool('rust', 'cargo', 'cargo not found');
  return atLeast(cargo.version, rustFrom)
    ? ok('rust', cargo.line)
    : missingTool('rust', 'cargo', cargo.line);
}

function linker(): Finding {
  const found = findLinker();
  return found ? ok('linker', found) : missingTool('linker', 'linker', 'cc not found');
}

function python(): Finding {
  const found = findPython();
  if (!found) return missingTool('python', 'python', 'not found');
  const lacks = found.lacks.length > 0 ? `, without ${found.lacks.join(', ')}` : '';
  const text = `${found.text} (${found.program}${lacks})`;
  return found.good ? ok('python', text) : missingTool('python', 'python', text);
}

/** The tools that a machine must bring. */
export function toolFindings(): Finding[] {
  return [node(), npm(), rust(), linker(), python()];
}
