import type { Llama } from './llama.js';
import type { LlambaConfig } from './llamba-config.js';
import type { MambaInLlamaConfig } from './mamba-in-llama-config.js';

/** Where a student's parameter comes from. */
export type Origin = 'copied' | 'expanded' | 'new';

/** What a conversion did, parameter by parameter. */
export class ConversionReport {
  private readonly found: Record<Origin, Map<string, number>> = {
    copied: new Map(),
    expanded: new Map(),
    new: new Map(),
  };

  /** @param what the parameter's kind; those of all layers are counted together. */
  add(origin: Origin, what: string, numbers: number): void {
    const kinds = this.found[origin];
    kinds.set(what, (kinds.get(what) ?? 0) + numbers);
  }

  /** The report for people, a line for each origin. */
  lines(teacher: Llama, student: LlambaConfig | MambaInLlamaConfig): string[] {
    const origins = Object.entries(this.found).filter(([, kinds]) => kinds.size > 0);
    const total = origins.reduce((sum, [, kinds]) => sum + sumOf(kinds), 0);
    return [
      `${student.family} of ${teacher.ref ?? 'a Llama'}: ${millions(total)}, ${shapeOf(student)}`,
      ...origins.map(([origin, kinds]) => {
        const names = [...kinds].map(([what, n]) => `${what} (${millions(n)})`);
        return `${origin}: ${millions(sumOf(kinds))}: ${names.join(', ')}`;
      }),
    ];
  }
}

function sumOf(kinds: ReadonlyMap<string, number>): number {
  return [...kinds.values()].reduce((sum, n) => sum + n, 0);
}

function millions(numbers: number): string {
  return `${(numbers / 1e6).toFixed(numbers < 1e5 ? 3 : 1)} M`;
}

function shapeOf(student: LlambaConfig | MambaInLlamaConfig): string {
  if (student.family === 'llamba') {
    const { nLayers, nHeads, headDim, stateDim } = student;
    return `${nLayers} layers of ${nHeads} heads of ${headDim}, state ${stateDim}`;
  }
  const { nLayers, attentionLayers, mixer } = student;
  const kept = attentionLayers.length === 0 ? 'none' : attentionLayers.join(', ');
  const kind = mixer.type === 'mamba' ? 'Mamba-1' : 'Mamba-2';
  return `${nLayers - attentionLayers.length} layers of ${kind}, attention kept in ${kept}`;
}
