/** Jasmine inside vitest: the peers' test suites are written for it. */
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);

/** One finished spec of a suite. */
export interface Spec {
  fullName: string;
  status: 'passed' | 'failed' | 'pending' | 'excluded';
  failedExpectations: { message: string; stack: string }[];
}

interface JasmineEnv {
  configure(options: Record<string, unknown>): void;
  addReporter(reporter: { specDone(spec: Spec): void }): void;
  execute(runnables: null, onComplete: () => void): void;
}

interface JasmineRequire {
  core(own: JasmineRequire): { getEnv(options: object): JasmineEnv };
  interface(jasmine: object, env: JasmineEnv): object;
}

/** Puts `describe`, `it`, `expect`, ... into the global scope, and `require`, which the suites use. */
export function installJasmine(): JasmineEnv {
  const path = 'jasmine-core/lib/jasmine-core/jasmine.js';
  const jasmineRequire = require(path) as JasmineRequire;
  const jasmine = jasmineRequire.core(jasmineRequire);
  const env = jasmine.getEnv({ suppressLoadErrors: true });
  Object.assign(globalThis, jasmineRequire.interface(jasmine, env), { require });
  return env;
}

/** Runs everything declared so far, leaving out the specs for which `include` is false. */
export async function runJasmine(
  env: JasmineEnv,
  include: (fullName: string) => boolean,
): Promise<Spec[]> {
  const done: Spec[] = [];
  env.configure({
    random: false,
    oneFailurePerSpec: false,
    specFilter: (spec: { getFullName(): string }) => include(spec.getFullName()),
  });
  env.addReporter({ specDone: (spec) => done.push(spec) });
  await new Promise<void>((resolve) => {
    env.execute(null, resolve);
  });
  return done;
}
