import { broadcast } from '../runtime/broadcast.js';
import { currentRun, inRun, type RunContext } from '../runtime/context.js';
import type { Displays } from '../runtime/displays.js';
import { textOf } from '../show/text.js';
import { type Control, type ControlSpec, makeColumn, makeControl, makeOutput } from './controls.js';
import type { Widget, Widgets } from './widget.js';

type Values = Record<string, unknown>;

/** The global `interact`: see the declarations that cells are checked against. */
export function makeInteract(
  widgets: Widgets,
  displays: Displays,
  report: (error: unknown) => void,
): (body: (values: Values) => unknown, specs: Record<string, ControlSpec>) => void {
  return (body, specs) => {
    if (typeof body !== 'function') {
      throw new TypeError(`interact: expected a function first, got ${textOf(body).slice(0, 80)}`);
    }
    const controls: [string, Control][] = Object.entries(Object(specs)).map(([name, spec]) => [
      name,
      makeControl(widgets, name, spec as ControlSpec),
    ]);
    const output = makeOutput(widgets);
    const read = (): Values =>
      Object.fromEntries(controls.map(([name, control]) => [name, control.read()]));
    const title = controls.map(([name, { read: now }]) => `${name} = ${textOf(now())}`).join(', ');
    displays.display(
      makeColumn(widgets, [...controls.map(([, { widget }]) => widget), output], title),
    );

    // While one call runs, of all the changes that come only the last one matters.
    let running = false;
    let again = false;
    const update = async (): Promise<void> => {
      again = true;
      if (running) return;
      running = true;
      const context = currentRun();
      try {
        while (again) {
          again = false;
          await within(output, displays, context, () => body(read()), report);
        }
      } finally {
        running = false;
      }
    };
    for (const [, { widget }] of controls) {
      widget.onChange = (changed) =>
        'value' in changed || 'index' in changed ? update() : undefined;
    }
    void displays.await(update());
  };
}

/**
 * Shows in an output widget what a call prints, shows and returns, in place of what was there.
 *
 * @param context The run that the call is part of; others may be in progress beside it.
 */
async function within(
  output: Widget,
  displays: Displays,
  context: RunContext,
  body: () => unknown,
  report: (error: unknown) => void,
): Promise<void> {
  try {
    const value = await inRun(context, () => {
      output.set({ msg_id: context.request });
      broadcast('clear_output', { wait: true });
      return body();
    });
    if (value !== undefined) await inRun(context, () => displays.show(value));
  } catch (error) {
    inRun(context, () => report(error));
  } finally {
    inRun(context, () => output.set({ msg_id: '' }));
  }
}
