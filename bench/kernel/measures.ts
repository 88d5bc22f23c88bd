import type { Contender } from './contenders.js';
import { Session } from './session.js';

/** One thing that is measured, in milliseconds or megabytes. */
export interface Measure {
  name: string;
  unit: 'ms' | 'MB';
  /** What the kernel is meant to stay below. */
  goal: number;
  values: number[];
}

/** A person does not send the next request while the last one's output is still arriving. */
const thinkingMs = 100;

/**
 * Everything that is measured of one kernel.
 *
 * @param runs Of each measure, after one that does not count.
 * @param log Told what is being measured, and what failed.
 */
export async function measure(
  contender: Contender,
  runs: number,
  log: (text: string) => void,
): Promise<Measure[]> {
  const measures: Measure[] = [];
  const add = async (
    name: string,
    goal: number,
    once: () => Promise<number>,
    unit: Measure['unit'] = 'ms',
    times = runs,
  ): Promise<void> => {
    log(`${contender.name}: ${name}`);
    try {
      await once();
      const values: number[] = [];
      while (values.length < times) values.push(await once());
      measures.push({ name, unit, goal, values });
    } catch (error) {
      log(`${contender.name}: ${name} failed: ${(error as Error).message}`);
    }
  };
  const timed = async (body: () => Promise<unknown>): Promise<number> => {
    await new Promise((resolve) => setTimeout(resolve, thinkingMs));
    const began = performance.now();
    await body();
    return performance.now() - began;
  };

  await add('start to first reply', 1500, async () => {
    const began = performance.now();
    const session = await Session.start(contender.command);
    const took = performance.now() - began;
    session.close();
    return took;
  });

  const session = await Session.start(contender.command);
  try {
    await session.execute('1+1');
    await new Promise((resolve) => setTimeout(resolve, 3000));
    if (session.memory() !== null) {
      await add('idle memory', 250, async () => session.memory()!, 'MB', 3);
    }
    await add('1+1', 8, () => timed(() => session.execute('1+1')));
    await add('typed cell with an import', 40, () => timed(() => session.execute(contender.typed)));
    const { complete, inspect } = contender;
    await add('completion', 20, () =>
      timed(() =>
        session.request('complete_request', { code: complete, cursor_pos: complete.length }),
      ),
    );
    const inspection = { code: inspect, cursor_pos: inspect.length, detail_level: 0 };
    await add('inspection', 20, () => timed(() => session.request('inspect_request', inspection)));
    await add('100,000 lines', 2000, () =>
      timed(async () => {
        const { printed } = await session.execute(contender.lines);
        if (printed !== 1_088_890) throw new Error(`${printed} characters arrived, not 1088890`);
      }),
    );
    for (const [name, code] of [
      ['interrupt of a busy loop', contender.endless.busy],
      ['interrupt of a pending await', contender.endless.waiting],
      ['interrupt of a loop after an await', contender.endless.loopAfterAwait],
    ] as const) {
      // Peers that only listen to signals are known to die of them or to hang.
      if (code === null || contender.name !== 'mambalab') continue;
      await add(name, 300, async () => (await session.interrupt(code)).milliseconds);
    }
  } finally {
    session.close();
  }
  return measures;
}
