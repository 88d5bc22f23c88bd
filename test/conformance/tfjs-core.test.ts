/** tfjs-core's own published test suite, against `native`. */
import { beforeAll, expect, it } from 'vitest';
import { init } from '../../lib/backend/index.js';
import { installJasmine, runJasmine, type Spec } from './jasmine.js';
import { EXCLUSIONS } from './tfjs-core-exclusions.js';

/** What tfjs-node 4.22 runs of the same suite; at least 99 % of that has to pass here. */
const PEER = 3883;
const REQUIRED = Math.ceil(PEER * 0.99);

const expectVitest = expect;
let specs: Spec[];
const used = new Set<string>();

beforeAll(async () => {
  const env = installJasmine();
  init({ threads: 2 });
  const core = '@tensorflow/tfjs-core/dist';
  const jasmineUtil = await import(`${core}/jasmine_util`);
  jasmineUtil.setTestEnvs([{ name: 'native', backendName: 'native', isDataSync: true }]);
  await import(`${core}/register_all_gradients`);
  await import(`${core}/public/chained_ops/register_all_chained_ops`);
  await import(`${core}/tests`);
  specs = await runJasmine(env, (name) => {
    const excluded = EXCLUSIONS.find((e) => name.includes(e.name));
    if (excluded) used.add(excluded.name);
    return !excluded;
  });
});

const count = (status: Spec['status']) => specs.filter((s) => s.status === status).length;

it('passes', () => {
  const failures = specs.filter((s) => s.status === 'failed');
  console.log(
    `tfjs-core's suite on native: ${count('passed')} passed, ${failures.length} failed, ` +
      `${count('excluded')} excluded, ${count('pending')} pending (${REQUIRED} have to pass)`,
  );
  const report = failures.map((s) => `${s.fullName}\n    ${s.failedExpectations[0]?.message}`);
  expectVitest(report.join('\n')).toBe('');
  expectVitest(count('passed')).toBeGreaterThanOrEqual(REQUIRED);
});

it('has no exclusion that excludes nothing', () => {
  expectVitest(EXCLUSIONS.map((e) => e.name).filter((name) => !used.has(name))).toEqual([]);
});
