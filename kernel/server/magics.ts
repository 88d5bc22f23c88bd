import type { ErrorContent } from '../link/messages.js';

/** A cell that is an instruction to the kernel: no TypeScript starts with a percent sign. */
export type Magic =
  | { name: 'help' | 'reset' | 'who' }
  | { name: 'typecheck'; argument: '' | 'on' | 'off' }
  /** `code` is the rest of the cell; for `sh` with what stands behind the name. */
  | { name: 'time' | 'sh'; code: string }
  | { name: 'unknown'; error: ErrorContent };

/** What `%help` says. */
export const magicHelp = `name?              what a name is, with its documentation
%sh COMMAND        run a command line, or all lines of the cell, in the shell
%time              run the rest of the cell and say how long it took
%typecheck on|off  whether cells have to be free of type errors to run
%who               what the cells have declared, with types
%reset             forget every variable
// @ts-nocheck     as a cell's first line: run this cell in spite of type errors`;

const question = /^\s*([\p{ID_Start}$_][\p{ID_Continue}$_.]*)\?\s*$/u;

/** The name that a cell such as `Math.max?` asks about, as in IPython; null for others. */
export function questionOf(code: string): string | null {
  return question.exec(code)?.[1] ?? null;
}

/** The magic that a cell is, or null for code. */
export function magicOf(code: string): Magic | null {
  const found = /^\s*%%?([\p{L}_]*)([^\n]*)(?:\n(.*))?$/su.exec(code);
  if (found === null) return null;
  const [, name = '', line = '', rest = ''] = found;
  const argument = line.trim();
  const lines = line.trimStart() === '' ? rest : `${line.trimStart()}\n${rest}`;
  switch (name) {
    case 'help':
    case 'reset':
    case 'who':
      return { name };
    case 'time':
      // Blank lines in front keep the cell's own line numbers.
      return { name, code: line.trim() === '' ? `\n${rest}` : `${line}\n${rest}` };
    case 'sh':
    case 'bash':
      return { name: 'sh', code: lines.trim() };
    case 'typecheck':
      if (argument === '' || argument === 'on' || argument === 'off') return { name, argument };
      return unknown(`%typecheck: expected on or off, got ${argument}`);
    default:
      return unknown(`there is no magic %${name}; %help lists what there is`);
  }
}

function unknown(evalue: string): Magic {
  const ename = 'MagicError';
  return { name: 'unknown', error: { ename, evalue, traceback: [`${ename}: ${evalue}`] } };
}
