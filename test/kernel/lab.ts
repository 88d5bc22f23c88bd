import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Browser, chromium, type Locator, type Page } from 'playwright-core';
import { freePort } from './client.js';
import { ipynb } from './ipynb.js';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Where the screenshots go, for a person to look at. */
export const screenshots = join(root, 'out', 'lab');

const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];
const applications = ['/Applications/Google Chrome.app/Contents/MacOS/Google Chrome'];

/** The program named by `MAMBALAB_CHROMIUM`, else a Chromium or Chrome of this machine; null without one. */
export function findChromium(): string | null {
  const { MAMBALAB_CHROMIUM: chosen, PATH = '' } = process.env;
  if (chosen) return chosen;
  const onPath = PATH.split(delimiter).flatMap((folder) => names.map((name) => join(folder, name)));
  const found = [...onPath, ...applications].find((file) => existsSync(file));
  if (found === undefined) return null;
  try {
    // A distribution may have a stand-in that only says how to install the browser.
    execFileSync(found, ['--version'], { stdio: 'ignore' });
    return found;
  } catch {
    return null;
  }
}

/** JupyterLab as `mambalab lab` starts it, and a headless browser in front of it. */
export class Lab {
  readonly page: Page;
  readonly #folder: string;
  readonly #url: string;
  readonly #server: ChildProcess;
  readonly #browser: Browser;

  private constructor(
    parts: { folder: string; url: string; server: ChildProcess; browser: Browser },
    page: Page,
  ) {
    this.#folder = parts.folder;
    this.#url = parts.url;
    this.#server = parts.server;
    this.#browser = parts.browser;
    this.page = page;
  }

  /**
   * Starts both.
   *
   * @param notebooks Cells of the notebooks by their names.
   */
  static async start(program: string, notebooks: Record<string, readonly string[]>): Promise<Lab> {
    const folder = mkdtempSync(join(tmpdir(), 'mambalab-lab-'));
    for (const [name, sources] of Object.entries(notebooks)) {
      writeFileSync(join(folder, `${name}.ipynb`), ipynb(sources));
    }
    const port = await freePort();
    const server = spawn(process.execPath, [
      join(root, 'dist', 'lib', 'cli', 'main.js'),
      'lab',
      folder,
      '--no-browser',
      '--allow-root',
      `--port=${port}`,
      '--ServerApp.port_retries=0',
      '--IdentityProvider.token=test',
      `--LabApp.user_settings_dir=${join(folder, 'settings')}`,
      `--LabApp.workspaces_dir=${join(folder, 'workspaces')}`,
    ]);
    const url = `http://127.0.0.1:${port}`;
    await answers(server, url);
    const browser = await chromium.launch({
      executablePath: program,
      args: [
        '--no-sandbox',
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
      ],
    });
    const page = await browser.newPage({ viewport: { width: 1200, height: 1600 } });
    page.setDefaultTimeout(60_000);
    return new Lab({ folder, url, server, browser }, page);
  }

  /** Opens a notebook alone and waits until its kernel is ready. */
  async open(name: string): Promise<void> {
    await this.page.goto(`${this.#url}/lab/tree/${name}.ipynb?token=test&reset`);
    await this.cell(0).waitFor();
    await this.page.getByText('(mambalab) | Idle').waitFor();
  }

  cell(at: number): Locator {
    return this.page.locator('.jp-Notebook .jp-Cell').nth(at);
  }

  /** What a cell shows. */
  output(at: number): Locator {
    return this.cell(at).locator('.jp-Cell-outputWrapper');
  }

  /** The number beside a cell, such as `[3]:`. */
  async count(at: number): Promise<string> {
    return this.cell(at).locator('.jp-InputPrompt').first().innerText();
  }

  async menu(...path: string[]): Promise<void> {
    for (const name of path) {
      await this.page.getByRole('menuitem', { name, exact: true }).click();
    }
  }

  /** Clicks a button of the notebook's toolbar, by the name of its item. */
  async button(item: string): Promise<void> {
    await this.page.locator(`[data-jp-item-name="${item}"] jp-button`).click();
  }

  /** Runs one cell as a person does. */
  async run(at: number): Promise<void> {
    await this.cell(at).locator('.cm-content').click();
    await this.page.keyboard.press('Control+Enter');
  }

  async screenshot(name: string): Promise<void> {
    mkdirSync(screenshots, { recursive: true });
    await this.page.screenshot({ path: join(screenshots, `${name}.png`) });
  }

  async close(): Promise<void> {
    await this.#browser.close();
    const ended = new Promise((resolve) => this.#server.once('exit', resolve));
    this.#server.kill('SIGTERM');
    await ended;
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** Waits until a server answers; rejects with what it said when it ends instead. */
async function answers(server: ChildProcess, url: string): Promise<void> {
  let said = '';
  let ended = false;
  for (const stream of [server.stdout, server.stderr]) {
    stream?.on('data', (text) => {
      said += String(text);
    });
  }
  server.once('exit', () => {
    ended = true;
  });
  for (;;) {
    if (ended) throw new Error(`JupyterLab ended:\n${said.slice(-2000)}`);
    try {
      await fetch(`${url}/api`);
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}
