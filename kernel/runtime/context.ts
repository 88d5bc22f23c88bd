import { AsyncLocalStorage } from 'node:async_hooks';

/** The run that a piece of code belongs to, however much later it runs. */
export interface RunContext {
  run: number;
  /** Id of the Jupyter message that asked for the run. */
  request: string;
}

const contexts = new AsyncLocalStorage<RunContext>();

/** Calls a function as part of a run; timers and promises that it makes belong to it too. */
export function inRun<T>(context: RunContext, body: () => T): T {
  return contexts.run(context, body);
}

/** The run that the calling code belongs to; run 0 when there is no telling. */
export function currentRun(): RunContext {
  return contexts.getStore() ?? { run: 0, request: '' };
}
