import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findChromium, Lab, screenshots } from './lab.js';

const program = findChromium();
if (program === null) {
  console.warn(
    'JupyterLab is not driven by a browser: no Chromium or Chrome was found on PATH (MAMBALAB_CHROMIUM names one)',
  );
}

const chart = (title: string, values: string): string => `{
  $schema: 'https://vega.github.io/schema/vega-lite/v5.json',
  title: ${title}, width: 400, height: 160,
  data: { values: ${values} },
  mark: { type: 'bar', tooltip: true },
  encoding: { x: { field: 'k', type: 'quantitative' }, y: { field: 'value', type: 'quantitative' } },
}`;

const show = [
  `import * as plots from 'mambalab/plots';
const curve = Array.from({ length: 64 }, (_, i) => ({ k: i + 1, value: 1 - 0.97 ** (i + 1) }));`,
  `vegaLite(${chart(`'A live chart'`, 'curve')})`,
  `for await (const i of plots.progress(Array(20).fill(0), { label: 'working', unit: 'steps' })) {
  await new Promise((r) => setTimeout(r, 150));
}`,
  `interact(({ k }) => vegaLite(${chart("'The first ' + k", 'curve.slice(0, k)')}), { k: [1, 64] });`,
  `table(curve, { limit: 6 })`,
  'latex`\\sum_{i=1}^n i = \\frac{n(n+1)}{2}`',
  `json({ a: [1, 2, { b: 'c' }], d: null })`,
  `console.log('to stdout'); console.error('to stderr'); new Map([['a', { x: 1 }]])`,
];

const work = [
  `let turns = 0; console.log('begun');\nfor (;;) turns += 1;`,
  `turns > 0`,
  `const secret = await prompt('Password? ', { password: true }); secret.length`,
  `const wrong: number = 'text';`,
  `function fails(): never {\n  throw new RangeError('too far', { cause: new TypeError('the reason') });\n}\nfails();`,
  `/** Seconds since the start. */\nconst elapsedSeconds = 3;`,
  `elapsedSec`,
  `interact(({ k }) => 'k is ' + k, { k: [1, 64] });`,
  `console.log('waiting'); await new Promise(() => {});`,
];

describe.skipIf(program === null)('JupyterLab in a browser', () => {
  let lab: Lab;
  beforeAll(async () => {
    lab = await Lab.start(program!, { show, work });
  });
  afterAll(async () => {
    await lab.close();
    console.log(`screenshots are in ${screenshots}`);
  });

  it('runs all cells; a progress bar moves in one place', async () => {
    await lab.open('show');
    await lab.menu('Run', 'Run All Cells');
    const bar = lab.output(2);
    const seen = new Set<string>();
    while (![...seen].some((text) => text.includes('20/20'))) seen.add(await bar.innerText());
    expect(seen.size).toBeGreaterThan(5);
    expect(await bar.locator('.jp-OutputArea-output').count()).toBe(1);
    await lab.output(7).getByText("Map(1) { 'a' => { x: 1 } }").waitFor();
    await lab.screenshot('run-all');
    expect(await lab.output(4).locator('tbody tr').count()).toBeGreaterThan(5);
    expect(await lab.output(5).locator('mjx-container').count()).toBe(1);
    expect(await lab.output(6).innerText()).toContain('3 items');
    expect(await lab.output(7).innerText()).toMatch(/to stdout[\s\S]*to stderr/);
    await lab.output(7).scrollIntoViewIfNeeded();
    await lab.screenshot('run-all-end');
  });

  it('draws charts live, with tool tips', async () => {
    const canvas = lab.output(1).locator('.vega-embed canvas');
    await canvas.scrollIntoViewIfNeeded();
    const { x, y, width, height } = (await canvas.boundingBox())!;
    const tip = lab.page.locator('#vg-tooltip-element.visible');
    for (let step = 0; (await tip.count()) === 0 && step < 50; step += 1) {
      await lab.page.mouse.move(x + width * (0.7 + step / 500), y + height * 0.75);
      await lab.page.waitForTimeout(50);
    }
    expect(await tip.innerText()).toMatch(/k:\s*\d+\s*value:\s*0\.\d+/);
    await lab.screenshot('tool-tip');
  });

  it('changes a chart by a slider', async () => {
    const output = lab.output(3);
    const handle = output.locator('.noUi-handle');
    await handle.scrollIntoViewIfNeeded();
    const drawn = () =>
      output
        .locator('.vega-embed canvas')
        .evaluate((canvas) => (canvas as unknown as { toDataURL(): string }).toDataURL());
    const before = await drawn();
    await handle.focus();
    for (let i = 0; i < 5; i += 1) await lab.page.keyboard.press('ArrowRight');
    await output.locator('.widget-readout').getByText('38').waitFor();
    await expect.poll(drawn, { timeout: 30_000 }).not.toBe(before);
    await lab.screenshot('slider');
  });

  it('restarts and runs all', async () => {
    await lab.run(7);
    await expect.poll(() => lab.count(7)).toBe('[9]:');
    await lab.button('restart-and-run');
    await lab.page.locator('.jp-Dialog .jp-mod-accept').click();
    await expect.poll(() => lab.count(7), { timeout: 60_000 }).toBe('[8]:');
    expect(await lab.count(0)).toBe('[1]:');
    expect(await lab.output(2).innerText()).toContain('20/20');
  });

  it('interrupts a busy loop by its button, and the next cell finds the variables', async () => {
    await lab.open('work');
    await lab.run(0);
    await lab.output(0).getByText('begun', { exact: true }).waitFor();
    await lab.button('interrupt');
    await lab.output(0).getByText('The cell was interrupted').waitFor();
    await lab.run(1);
    await lab.output(1).getByText('true', { exact: true }).waitFor();
  });

  it('asks for a password in a field that hides it', async () => {
    await lab.run(2);
    const field = lab.page.locator('.jp-Stdin input[type=password]');
    await field.fill('abc');
    await field.press('Enter');
    await lab.output(2).getByText('3', { exact: true }).waitFor();
    expect(await lab.output(2).innerText()).not.toContain('abc');
  });

  it('shows type errors and stacks in the lines of the cell', async () => {
    await lab.run(3);
    await lab.output(3).getByText('In[4]:1:7 - TS2322').waitFor();
    await lab.run(4);
    await lab.output(4).getByText('Caused by').waitFor();
    expect(await lab.output(4).innerText()).toMatch(/at fails \(In\[5\]:2:9\)/);
    expect(await lab.output(4).innerText()).not.toMatch(/node:|dist\/kernel/);
    await lab.screenshot('errors');
  });

  it('calls the function of a slider while another cell waits', async () => {
    await lab.run(7);
    await lab.output(7).getByText('k is 33').waitFor();
    await lab.run(8);
    await lab.output(8).getByText('waiting', { exact: true }).waitFor();
    await lab.output(7).locator('.noUi-handle').focus();
    await lab.page.keyboard.press('ArrowRight');
    await lab.output(7).getByText('k is 34').waitFor();
    expect(await lab.count(8)).toBe('[*]:');
    await lab.button('interrupt');
    await lab.output(8).getByText('The cell was interrupted').waitFor();
  });

  it('completes names and shows their documentation', async () => {
    await lab.run(5);
    await lab.cell(6).locator('.cm-content').click();
    await lab.page.keyboard.press('Control+End');
    await lab.page.keyboard.press('Tab');
    await lab.page.locator('.jp-Completer').getByText('const', { exact: true }).waitFor();
    await lab.screenshot('completion');
    await lab.page.keyboard.press('Enter');
    await lab.cell(6).locator('.cm-content').getByText('elapsedSeconds', { exact: true }).waitFor();
    await lab.page.keyboard.press('Shift+Tab');
    const tip = lab.page.locator('.jp-Tooltip');
    await tip.getByText('Seconds since the start.').waitFor();
    expect((await tip.innerText()).trim()).toMatch(/^const elapsedSeconds: 3\s+Seconds since/);
    await lab.screenshot('documentation');
  });
});
