/** Declarations of what the runtime adds to the global scope of every cell. */
export const globalDeclarations = `
import type {} from 'node:module';

declare global {
  /** An output that is on screen already and can be replaced in place. */
  interface DisplayHandle {
    /** Identifies the output on the wire. */
    readonly id: string;
    /** Replaces what is shown. */
    update(value: unknown): Promise<void>;
  }

  /**
   * Shows a value below the cell: by its \`Symbol.for('Jupyter.display')\` method when it has one,
   * else as text.
   *
   * @param value Anything.
   * @param options \`id\` names the output so that it can be updated later.
   * @returns A handle that replaces the output in place.
   */
  function display(value: unknown, options?: { id?: string }): DisplayHandle;

  /**
   * Removes the cell's output.
   *
   * @param options With \`wait\`, only when the next output arrives, which avoids flicker.
   */
  function clearOutput(options?: { wait?: boolean }): void;

  /**
   * Asks the person at the notebook for a line of text.
   *
   * @param question Shown in front of the field.
   * @param options With \`password\`, what is typed stays hidden.
   * @throws Error when the front end does not take input, as in headless runs.
   */
  function prompt(question?: string, options?: { password?: boolean }): Promise<string>;
}
`;
