import { type Displayable, jupyterDisplay } from './display.js';

/** Shows Markdown in a notebook: findings written with the numbers that were computed. */
export function markdown(text: string): Displayable {
  return {
    [jupyterDisplay]: () => ({ 'text/markdown': text, 'text/plain': text }),
  };
}
