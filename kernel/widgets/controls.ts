import type { Bundle } from '../link/messages.js';
import { textOf } from '../show/text.js';
import { Widget, type Widgets, type WidgetType } from './widget.js';

const base = '@jupyter-widgets/base';
const controls = '@jupyter-widgets/controls';
const version = '2.0.0';

const control = (name: string): WidgetType => ({
  model: `${name}Model`,
  view: `${name}View`,
  module: controls,
  version,
});

/** What a person may change, by the shape of what describes it. */
export type ControlSpec =
  | boolean
  | string
  | readonly [least: number, greatest: number]
  | readonly [least: number, greatest: number, step: number]
  | readonly string[]
  | { readonly value?: number; readonly min: number; readonly max: number; readonly step?: number }
  | { readonly options: readonly unknown[]; readonly value?: unknown };

/** A widget for one value. */
export interface Control {
  widget: Widget;
  read(): unknown;
}

interface Range {
  min: number;
  max: number;
  step?: number | undefined;
  value?: number | undefined;
}

/**
 * The widget that a description asks for: a slider for a range, a check box for a boolean, a text
 * field for a string, a list to choose from for an array.
 *
 * @throws TypeError naming the value when the description is none of these.
 */
export function makeControl(widgets: Widgets, name: string, spec: ControlSpec): Control {
  const simple = (type: string, state: Bundle): Control => {
    const layout = layoutOf(widgets);
    const common = { description: name, disabled: false, layout: layout.reference };
    const widget = new Widget(widgets, control(type), { ...common, ...state }, name);
    return { widget, read: () => widget.state.value };
  };
  if (typeof spec === 'boolean') {
    return simple('Checkbox', { value: spec, indent: true, style: styleOf(widgets, 'Checkbox') });
  }
  if (typeof spec === 'string') {
    return simple('Text', {
      value: spec,
      continuous_update: false,
      placeholder: '',
      style: styleOf(widgets, 'Text'),
    });
  }
  const range = rangeOf(spec);
  if (range !== null) return slider(widgets, simple, name, range);
  const options: unknown = Array.isArray(spec)
    ? spec
    : (spec as { options?: unknown } | null)?.options;
  if (!Array.isArray(options) || options.length === 0) {
    throw new TypeError(
      `interact: ${name}: expected a range [least, greatest], a boolean, a string or an array of ` +
        `choices, got ${textOf(spec).slice(0, 80)}`,
    );
  }
  const wanted = (spec as { value?: unknown }).value;
  const dropdown = simple('Dropdown', {
    _options_labels: options.map(String),
    index: Math.max(0, options.indexOf(wanted)),
    style: styleOf(widgets, 'Description'),
  });
  const { widget } = dropdown;
  return { widget, read: () => options[widget.state.index as number] };
}

/** A column of widgets. */
export function makeColumn(widgets: Widgets, children: Widget[], title: string): Widget {
  const references = children.map(({ reference }) => reference);
  const layout = layoutOf(widgets).reference;
  const state = { children: references, box_style: '', layout };
  return new Widget(widgets, control('VBox'), state, title);
}

/** A place for whatever a piece of code prints and shows. */
export function makeOutput(widgets: Widgets): Widget {
  const type = {
    model: 'OutputModel',
    view: 'OutputView',
    module: '@jupyter-widgets/output',
    version: '1.0.0',
  };
  const layout = layoutOf(widgets).reference;
  return new Widget(widgets, type, { msg_id: '', outputs: [], layout }, 'output');
}

function slider(
  widgets: Widgets,
  simple: (type: string, state: Bundle) => Control,
  name: string,
  { min, max, step, value }: Range,
): Control {
  if (!(Number.isFinite(min) && Number.isFinite(max) && min < max)) {
    throw new RangeError(
      `interact: ${name}: expected a range [least, greatest], got [${min}, ${max}]`,
    );
  }
  const whole = [min, max, step ?? 1, value ?? min].every(Number.isInteger);
  const jump = step ?? (whole ? 1 : (max - min) / 100);
  const middle = min + Math.round((max - min) / 2 / jump) * jump;
  return simple(whole ? 'IntSlider' : 'FloatSlider', {
    min,
    max,
    step: jump,
    value: Math.min(max, Math.max(min, value ?? middle)),
    continuous_update: true,
    orientation: 'horizontal',
    readout: true,
    readout_format: whole ? 'd' : '.3g',
    behavior: 'drag-tap',
    style: styleOf(widgets, 'Slider'),
  });
}

function rangeOf(spec: ControlSpec): Range | null {
  if (Array.isArray(spec)) {
    const [min, max, step] = spec as readonly unknown[];
    const isRange =
      (spec.length === 2 || spec.length === 3) &&
      (spec as readonly unknown[]).every((part) => typeof part === 'number');
    return isRange ? { min: min as number, max: max as number, step: step as number } : null;
  }
  const range = spec as unknown as Partial<Range> | null;
  return typeof range?.min === 'number' && typeof range.max === 'number' ? (range as Range) : null;
}

function layoutOf(widgets: Widgets): Widget {
  const type = { model: 'LayoutModel', view: 'LayoutView', module: base, version };
  return new Widget(widgets, type, {});
}

function styleOf(widgets: Widgets, name: string): string {
  const type = { model: `${name}StyleModel`, view: 'StyleView', module: controls, version };
  return new Widget(widgets, type, { _view_module: base }).reference;
}
