/** A notebook's JSON with code cells and no outputs, for the installed TypeScript kernel. */
export function ipynb(sources: readonly string[], kernel = 'mambalab'): string {
  const cells = sources.map((source, i) => ({
    cell_type: 'code',
    id: `c${i}`,
    metadata: {},
    source,
    outputs: [],
    execution_count: null,
  }));
  const metadata = { kernelspec: { name: kernel, display_name: kernel } };
  return JSON.stringify({ cells, metadata, nbformat: 4, nbformat_minor: 5 });
}
