import { broadcast } from '../runtime/broadcast.js';
import { currentRun } from '../runtime/context.js';
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
      try {
        while (again) {
          again = false;
          await within(output, displays, () => body(read()), report);
        }
      } finally {
        running = false;
      }
    };
    for (const [, { widget }] of controls) {
      widget.onChange = (changed) =>
        'value' in changed || 'index' in changed ? update() : undefined;
    }
    displays.await(update());
  };
}

/** Shows in an output widget what a call prints, shows and returns, in place of what was there. */
async function within(
  output: Widget,
  displays: Displays,
  body: () => unknown,
  report: (error: unknown) => void,
): Promise<void> {
  output.set({ msg_id: currentRun().request });
  broadcast('clear_output', { wait: true });
  try {
    const value = await body();
    if (value !== undefined) await displays.show(value);
  } catch (error) {
    report(error);
  } finally {
    output.set({ msg_id: '' });
  }
}
