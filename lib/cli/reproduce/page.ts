/** `out/index.html`: one page that leads to every executed notebook and shows its figures. */
import type { Finding, SavedFindings } from '../../experiment/index.js';
import type { RunRecord } from './record.js';

/** A notebook that failed in this run, and how. */
export interface Failure {
  readonly name: string;
  readonly title: string;
  readonly message: string;
}

/** By which the page is known again as one of ours. */
export const PAGE_TITLE = 'mambalab: results';

const entities: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};
const html = (text: string) => text.replace(/[&<>"']/g, (c) => entities[c] as string);

const style = `
:root { color-scheme: light dark; --ink: #1d2129; --soft: #5c6470; --line: #dfe3e8; --page: #f6f7f9;
  --card: #fff; --link: #1f5fbf; --bad: #b3261e; --good: #1b6e3c; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8eaed; --soft: #a0a7b1; --line: #343a43; --page: #16191e; --card: #1f242b;
    --link: #8ab4f8; --bad: #f2b8b5; --good: #7fd1a0; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 48px 24px 64px; }
h1 { margin: 0 0 6px; font-size: 30px; letter-spacing: -0.02em; }
h2 { margin: 0 0 4px; font-size: 20px; }
h2 a { color: inherit; text-decoration: none; }
h2 a:hover { text-decoration: underline; }
p { margin: 0 0 12px; max-width: 72ch; }
a { color: var(--link); }
header { margin-bottom: 32px; }
.soft { color: var(--soft); font-size: 14px; }
article { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 24px;
  margin-bottom: 24px; }
.links { display: flex; gap: 18px; flex-wrap: wrap; margin-bottom: 16px; font-size: 15px; }
.figures { display: flex; flex-wrap: wrap; gap: 16px; }
.figures figure { margin: 0; max-width: 100%; }
.figures a.figure { display: block; background: #fff; border: 1px solid var(--line); border-radius: 8px; padding: 12px; }
.figures img { display: block; max-width: 100%; height: auto; }
table { border-collapse: collapse; width: 100%; font-size: 14px; }
th, td { text-align: left; padding: 7px 12px 7px 0; border-bottom: 1px solid var(--line); vertical-align: top; }
th { color: var(--soft); font-weight: 600; }
td.number { white-space: nowrap; font-variant-numeric: tabular-nums; }
.supported { color: var(--good); } .not { color: var(--bad); }
.failed { border-color: var(--bad); }
.failed h2 { color: var(--bad); }
pre { overflow: auto; max-height: 420px; margin: 12px 0 0; padding: 12px; border-radius: 8px;
  background: var(--page); font-size: 13px; line-height: 1.45; }
`;

const duration = (seconds: number) =>
  seconds < 90 ? `${seconds.toFixed(1)} s` : `${(seconds / 60).toFixed(1)} min`;

function card(record: RunRecord): string {
  const at = (file: string) => html(encodeURI(`${record.name}/${file}`));
  const { pngs = [] } = record;
  const figures = record.figures.map((file, i) => {
    const png = file.replace(/\.svg$/, '.png');
    const links = [file, ...(pngs.includes(png) ? [png] : [])].map(
      (name) => `<a href="${at(name)}">${name.slice(-3).toUpperCase()}</a>`,
    );
    const notebook = `<a href="${at(`${record.name}.html`)}">${html(record.name)}</a>`;
    return `<figure><a class="figure" href="${at(file)}"><img src="${at(file)}" alt="Figure ${i + 1} of ${html(record.title)}"></a>
<figcaption class="soft">${[notebook, ...links].join(' · ')}</figcaption></figure>`;
  });
  const when = record.startedAt.replace('T', ' ').slice(0, 16);
  const facts = [
    `executed ${when} UTC in ${duration(record.seconds)}`,
    `scale ${record.scale}`,
    record.cpu,
    record.platform,
    `Node ${record.node}`,
  ];
  return `<article>
<h2><a href="${at(`${record.name}.html`)}">${html(record.title)}</a></h2>
<p>${html(record.summary)}</p>
<div class="links">
<a href="${at(`${record.name}.html`)}">Read it (HTML)</a>
<a href="${at(`${record.name}.ipynb`)}">Executed notebook</a>
<a href="${at('run.json')}">Run record</a>
</div>
${figures.length > 0 ? `<div class="figures">\n${figures.join('\n')}\n</div>` : ''}
<p class="soft" style="margin:16px 0 0">${html(facts.join(' · '))}</p>
</article>`;
}

function failureCard({ name, title, message }: Failure): string {
  return `<article class="failed">
<h2>${html(title)}: failed</h2>
<p class="soft">notebooks/${html(name)}.ipynb stopped at a cell; results of an earlier run, if any, are below.</p>
<pre>${html(message)}</pre>
</article>`;
}

function written({ interval, unit }: Finding): { number: string; interval: string } {
  // JSON has no infinity: a time that is never reached was kept as null.
  const one = (x: number | null) => {
    if (x === null) return '∞';
    return unit === 'points' ? (100 * x).toFixed(1) : x.toFixed(2);
  };
  const { estimate, low, high } = interval;
  return {
    // A student that never reaches its teacher's coverage takes endlessly long: a ratio of none.
    number:
      unit === 'times' && estimate === 0
        ? 'not reached'
        : `${one(estimate)} ${unit === 'points' ? 'points' : '×'}`,
    interval: `${one(low)} to ${one(high)}`,
  };
}

const verdictClasses: Readonly<Record<Finding['verdict'], string>> = {
  supported: 'supported',
  'not supported': 'not',
  undecided: '',
};

function findingsCard({ caption, findings }: SavedFindings): string {
  const rows = findings.map((finding) => {
    const { number, interval } = written(finding);
    return `<tr><td>${html(finding.claim)}<br><span class="soft">${html(finding.where)}: ${html(finding.measure)}</span></td>
<td class="number">${html(number)}</td><td class="number">${html(interval)}</td>
<td class="number ${verdictClasses[finding.verdict]}">${html(finding.verdict)}</td></tr>`;
  });
  return `<article>
<h2>The paper's claims</h2>
<p class="soft">${html(caption)}. Intervals hold 95 % of resamples of problems.</p>
<table><thead><tr><th>Claim</th><th>Measured</th><th>Interval</th><th>Verdict</th></tr></thead>
<tbody>
${rows.join('\n')}
</tbody></table>
</article>`;
}

/** The page as HTML, self-contained but for the figures and notebooks beside it. */
export function renderPage(
  records: readonly RunRecord[],
  failures: readonly Failure[],
  found?: SavedFindings,
): string {
  const figures = records.reduce((sum, record) => sum + record.figures.length, 0);
  const count = (n: number, what: string) => `${n} ${what}${n === 1 ? '' : 's'}`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${PAGE_TITLE}</title>
<style>${style}</style>
</head>
<body>
<main>
<header>
<h1>mambalab</h1>
<p>At a fixed time budget, does a fast distilled Mamba that samples more beat the Transformer it came from?</p>
<p class="soft">${count(records.length, 'executed notebook')}, ${count(figures, 'figure')}. Made by <code>npm run reproduce</code>.</p>
</header>
${[...failures.map(failureCard), ...(found ? [findingsCard(found)] : []), ...records.map(card)].join('\n')}
</main>
</body>
</html>
`;
}
