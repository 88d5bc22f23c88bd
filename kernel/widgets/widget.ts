import { randomUUID } from 'node:crypto';
import type { Bundle } from '../link/messages.js';
import type { Comm, Comms } from '../runtime/comms.js';
import { displaySymbol } from '../show/bundle.js';

/** Version of the ipywidgets messaging protocol that is spoken here. */
const protocol = { version: '2.1.0' };

/** Names and versions of a widget's model and view, as ipywidgets 8 has them. */
export interface WidgetType {
  model: string;
  view: string;
  module: string;
  version: string;
}

/** The open widgets of a kernel, for front ends that join later and ask for all of them. */
export class Widgets {
  readonly comms: Comms;
  readonly #open = new Map<string, Widget>();

  constructor(comms: Comms) {
    this.comms = comms;
    comms.register('jupyter.widget.control', (control) => {
      control.onMessage = ({ data }) => {
        if (data.method !== 'request_states') return;
        const states = [...this.#open].map(([id, { state }]) => [
          id,
          {
            model_name: state._model_name,
            model_module: state._model_module,
            model_module_version: state._model_module_version,
            state,
          },
        ]);
        control.send({
          method: 'update_states',
          states: Object.fromEntries(states),
          buffer_paths: [],
        });
      };
    });
  }

  add(widget: Widget, id: string): void {
    this.#open.set(id, widget);
  }
}

/** A thing on screen whose state the kernel and the front end share. */
export class Widget {
  readonly state: Bundle;
  /** Called after a person has changed the state; what it returns is waited for. */
  onChange: ((changed: Bundle) => unknown) | null = null;
  /** Called with messages that are no state, such as a button's click. */
  onCustom: ((content: Bundle) => unknown) | null = null;
  readonly #comm: Comm;
  readonly #title: string;

  /**
   * @param state Its traits; other widgets among them by {@link reference}.
   * @param title What stands for it where widgets cannot be shown.
   */
  constructor(widgets: Widgets, type: WidgetType, state: Bundle, title = type.view) {
    this.state = {
      _model_module: type.module,
      _model_module_version: type.version,
      _model_name: type.model,
      _view_module: type.module,
      _view_module_version: type.version,
      _view_name: type.view,
      _view_count: null,
      ...state,
    };
    this.#title = title;
    this.#comm = widgets.comms.open(
      'jupyter.widget',
      { state: this.state, buffer_paths: [] },
      { id: randomUUID().replaceAll('-', ''), metadata: protocol },
    );
    widgets.add(this, this.#comm.id);
    this.#comm.onMessage = ({ data }) => this.#receive(data);
  }

  /** How another widget's state names this one. */
  get reference(): string {
    return `IPY_MODEL_${this.#comm.id}`;
  }

  /** Changes the state here and on screen. */
  set(changes: Bundle): void {
    Object.assign(this.state, changes);
    this.#comm.send({ method: 'update', state: changes, buffer_paths: [] });
  }

  [displaySymbol](): Bundle {
    return {
      'application/vnd.jupyter.widget-view+json': {
        version_major: 2,
        version_minor: 0,
        model_id: this.#comm.id,
      },
      'text/plain': this.#title,
    };
  }

  #receive(data: Bundle): unknown {
    if (data.method === 'request_state') {
      this.#comm.send({ method: 'update', state: this.state, buffer_paths: [] });
    } else if (data.method === 'update') {
      const changed = (data.state ?? {}) as Bundle;
      Object.assign(this.state, changed);
      // Other views of the same notebook learn it from here.
      this.#comm.send({ method: 'echo_update', state: changed, buffer_paths: [] });
      return this.onChange?.(changed);
    } else if (data.method === 'custom') {
      return this.onCustom?.((data.content ?? {}) as Bundle);
    }
    return undefined;
  }
}
