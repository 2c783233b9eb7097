/**
 * A process that holds an engine open, to be killed: reports `open`, then writes numbered keys one after another and reports
 * each as it is acknowledged. With `hold` it only keeps the store open.
 */

import type { EngineKind } from '../../src/storage/engine.ts';
import { openEngine } from '../../src/storage/open-engine.ts';

export interface EngineProcessOrder {
  readonly kind: EngineKind;
  readonly path: string;
  readonly task: 'hold' | 'write-synced' | 'write-buffered';
}

export type EngineProcessReport = { readonly open: true } | { readonly acknowledged: number };

// Not once(): the channel that is listened to is what keeps the process alive while it holds the store.
process.on('message', async ({ kind, path, task }: EngineProcessOrder) => {
  const engine = await openEngine({ kind, path });
  process.send?.({ open: true } satisfies EngineProcessReport);
  if (task === 'hold') return;
  for (let number = 0; ; number++) {
    const key = Buffer.from(`key-${String(number).padStart(8, '0')}`);
    await engine.write([{ kind: 'put', key, value: Buffer.from(String(number)) }], {
      sync: task === 'write-synced',
    });
    process.send?.({ acknowledged: number } satisfies EngineProcessReport);
  }
});
