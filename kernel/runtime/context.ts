// Which run the code that is running belongs to, so that what it prints finds its cell. This is no
// AsyncLocalStorage: the hooks of promises that it needs do not survive code stopped midway.

/** The run that a piece of code belongs to, however much later it runs. */
export interface RunContext {
  run: number;
  /** Id of the Jupyter message that asked for the run. */
  request: string;
}

const nowhere: RunContext = { run: 0, request: '' };

/** Runs in progress, the newest last. */
const inProgress: RunContext[] = [];
/** The newest run in progress, or the last one: what code belongs to that nothing else is known of. */
let active = nowhere;
let current = nowhere;
/** Where errors were thrown that nobody has caught yet. */
const origins = new WeakMap<object, RunContext>();

/** Makes a run the newest in progress; whatever ran before may have been stopped midway. */
export function beginRun(context: RunContext): void {
  inProgress.push(context);
  active = context;
  current = context;
}

/** Takes a run out of those in progress. */
export function endRun(context: RunContext): void {
  inProgress.splice(inProgress.indexOf(context), 1);
  active = inProgress.at(-1) ?? active;
  current = active;
}

/** The run that the calling code belongs to; run 0 before the first. */
export function currentRun(): RunContext {
  return current;
}

/** The run of a callback that threw an error, if a callback of a run did. */
export function originOf(error: unknown): RunContext | undefined {
  return typeof error === 'object' && error !== null ? origins.get(error) : undefined;
}

/** Calls a function as part of a run. */
export function inRun<T>(context: RunContext, body: () => T): T {
  const outer = current;
  current = context;
  try {
    return body();
  } catch (error) {
    if (typeof error === 'object' && error !== null) origins.set(error, context);
    throw error;
  } finally {
    current = outer;
  }
}

/**
 * Settles a promise that code of a run awaits, so that the code goes on as part of its run.
 *
 * @param settle Queues the rest of the code as the next microtask.
 */
export function settleIn(context: RunContext, settle: () => void): void {
  if (context === active) {
    settle();
    return;
  }
  // Microtasks run in the order in which they are queued: nothing gets between these three.
  queueMicrotask(() => {
    current = context;
  });
  settle();
  queueMicrotask(() => {
    current = active;
  });
}

/** Lets timers belong to the run that started them. */
export function bindTimers(): void {
  for (const name of ['setTimeout', 'setInterval', 'setImmediate'] as const) {
    const original = globalThis[name] as (...args: unknown[]) => unknown;
    const bound = (callback: unknown, ...rest: unknown[]): unknown => {
      if (typeof callback !== 'function') return original(callback, ...rest);
      const context = current;
      return original(
        function (this: unknown, ...args: unknown[]) {
          return inRun(context, () => Reflect.apply(callback, this, args));
        },
        ...rest,
      );
    };
    Object.defineProperties(bound, Object.getOwnPropertyDescriptors(original));
    Object.defineProperty(globalThis, name, { value: bound, writable: true, configurable: true });
  }
}
