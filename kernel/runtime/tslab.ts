import { broadcast } from './broadcast.js';

/** The part of tslab's module that its display API writes through. */
interface TslabJupyter {
  lastWriteDisplayData: (
    content: {
      data: Record<string, unknown>;
      metadata: Record<string, unknown>;
      transient: { display_id?: string };
    },
    update: boolean,
  ) => void;
}

/**
 * Connects the display API of the tslab package to this kernel, so that notebooks written for
 * tslab show what they show there.
 *
 * @param places Where cells may have imported tslab from; the first that has it counts.
 */
export function connectTslab(places: NodeJS.Require[]): void {
  for (const require of places) {
    let jupyter: TslabJupyter;
    try {
      jupyter = require('tslab/dist/jupyter.js') as TslabJupyter;
    } catch {
      // Not installed there.
      continue;
    }
    jupyter.lastWriteDisplayData = ({ data, metadata, transient }, update) => {
      const named = transient.display_id !== undefined;
      broadcast(update ? 'update_display_data' : 'display_data', {
        data,
        metadata,
        transient: named ? transient : {},
      });
    };
    return;
  }
}
