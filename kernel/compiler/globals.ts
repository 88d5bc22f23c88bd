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

  /** A value made to be shown: as a cell's last expression, by \`display\`, or inside HTML. */
  interface Shown {
    readonly __shown: unique symbol;
  }

  /** HTML; the values of a template are escaped unless they are HTML or SVG themselves. */
  function html(text: string | TemplateStringsArray, ...values: unknown[]): Shown;

  /** Markdown. */
  function md(text: string | TemplateStringsArray, ...values: unknown[]): Shown;

  /** SVG; the values of a template are escaped. */
  function svg(text: string | TemplateStringsArray, ...values: unknown[]): Shown;

  /** LaTeX; a template keeps its backslashes. A formula without \`$\` stands on its own line. */
  function latex(text: string | TemplateStringsArray, ...values: unknown[]): Shown;

  /** JSON as a tree that can be opened. */
  function json(value: unknown): Shown;

  /** A Vega-Lite chart. */
  function vegaLite(spec: object): Shown;

  /**
   * Rows (objects or arrays), columns by name, or a data frame as a table.
   *
   * @param options \`limit\`: rows to show; without it long tables show their ends.
   */
  function table(data: object, options?: { limit?: number }): Shown;

  /**
   * An image: the bytes or the path of a PNG, JPEG, GIF, WebP or SVG file, or a tensor of shape
   * [height, width] or [height, width, 1 to 4].
   *
   * @param options Size on screen in pixels, and a text for where images are not shown.
   */
  function image(
    source: string | Uint8Array | { shape: readonly number[]; dataSync(): ArrayLike<unknown> },
    options?: { width?: number; height?: number; alt?: string },
  ): Shown;

  /** What a person may change in {@link interact}. */
  type NotebookControl =
    | boolean
    | string
    | readonly [least: number, greatest: number]
    | readonly [least: number, greatest: number, step: number]
    | readonly string[]
    | { readonly value?: number; readonly min: number; readonly max: number; readonly step?: number }
    | { readonly options: readonly unknown[]; readonly value?: unknown };

  type NotebookControlValue<C> = C extends boolean
    ? boolean
    : C extends string
      ? string
      : C extends readonly number[] | { readonly min: number }
        ? number
        : C extends readonly (infer T)[] | { readonly options: readonly (infer T)[] }
          ? T
          : never;

  /**
   * Calls a function with values that a person changes by sliders and fields, again whenever one
   * changes, and shows what it prints, shows and returns.
   *
   * @param body Called with an object of the values.
   * @param controls By name: a range \`[1, 64]\` or \`[0, 1, 0.1]\` for a slider, a boolean for a
   *   check box, a string for a text field, an array of strings for a choice.
   */
  function interact<const C extends { readonly [name: string]: NotebookControl }>(
    body: (values: { [K in keyof C]: NotebookControlValue<C[K]> }) => unknown,
    controls: C,
  ): void;

  /** One end of a channel to the front end: Jupyter's comm. */
  interface NotebookComm {
    readonly id: string;
    readonly target: string;
    onMessage: ((message: { data: any; buffers: Uint8Array[] }) => unknown) | null;
    onClose: ((message: { data: any; buffers: Uint8Array[] }) => unknown) | null;
    send(data: object, buffers?: readonly Uint8Array[]): void;
    close(data?: object): void;
  }

  /** Jupyter's comms: opened by cells to the front end, or by the front end to targets of cells. */
  const comms: {
    open(target: string, data?: object, options?: { id?: string; metadata?: object }): NotebookComm;
    register(
      target: string,
      opened: (comm: NotebookComm, message: { data: any; buffers: Uint8Array[] }) => unknown,
    ): void;
  };
}
`;
