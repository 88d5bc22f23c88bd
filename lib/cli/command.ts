/** What every command shares: where it writes, how it fails, and how it prints a table. */
import type { Command } from 'commander';

/** A place for text: the process's streams, or a test's. */
export interface Out {
  write(text: string): unknown;
  isTTY?: boolean;
  columns?: number;
}

/** Where a command writes its result, and where its errors. */
export interface Io {
  readonly out: Out;
  readonly err: Out;
}

/** Adds one command to the program; each file in `commands/` exports one. */
export type Register = (program: Command, io: Io) => void;

/** Options that every command has. */
export interface GlobalOptions {
  readonly json?: boolean;
  readonly stack?: boolean;
}

/** An error with an exit code: 1 for a failure, 2 for a wrong call; silent where the command said all already. */
export class CliError extends Error {
  constructor(
    message: string,
    readonly exitCode = 1,
    readonly silent = false,
  ) {
    super(message);
    this.name = 'CliError';
  }
}

/** Prints a value as JSON. */
export function printJson(io: Io, value: unknown): void {
  io.out.write(`${JSON.stringify(value, null, 2)}\n`);
}

/** Rows as aligned columns; the last column is not padded. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, cell.length);
  }
  const line = (row: readonly string[]) =>
    row
      .map((cell, i) => (i === row.length - 1 ? cell : cell.padEnd(widths[i] as number)))
      .join('  ');
  return rows.map((row) => `${line(row).trimEnd()}\n`).join('');
}
