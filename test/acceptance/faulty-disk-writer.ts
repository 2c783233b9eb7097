/**
 * Writes records through the record store until the disk fails, as a node would with eight requests at a time, and says on
 * standard output, one JSON line each, what was acknowledged and how it ended. After the failure it goes on asking.
 */

import { crc32 } from 'node:zlib';
import { type PartitionId, partitionId } from '../../src/core/identity.ts';
import { systemEnv } from '../../src/env/system-env.ts';
import { EngineError, type EngineKind } from '../../src/storage/engine.ts';
import { openEngine } from '../../src/storage/open-engine.ts';
import { RecordStore } from '../../src/storage/record-store.ts';

export type WriterReport =
  | { readonly kind: 'acknowledged'; readonly number: number }
  | { readonly kind: 'failed'; readonly code: string; readonly message: string }
  | {
      readonly kind: 'after';
      readonly acknowledged: number;
      readonly refusedWithTheSame: number;
      readonly reads: number;
    };

export const writerPartition: PartitionId = partitionId(3);

/** The record that the writer stores under a number. */
export function recordOf(number: number): Uint8Array {
  return Buffer.alloc(1000 + (number % 500), `record ${number} `);
}

export function keyOf(number: number): Uint8Array {
  return Buffer.from(`bucket\0key-${number}`);
}

async function main(kind: EngineKind, path: string): Promise<void> {
  const engine = await openEngine({ kind, path });
  const store = new RecordStore({ engine, crc32, env: systemEnv() });
  let next = 0;
  await Promise.all(Array.from({ length: 8 }, () => writeUntilFailure(store, () => next++)));
  const error = store.failure as EngineError;
  report({ kind: 'failed', code: error.code, message: error.message });

  const after = { acknowledged: 0, refusedWithTheSame: 0, reads: 0 };
  for (let number = next; number < next + 50; number++) {
    await store.write(writerPartition, keyOf(number), recordOf(number), { sync: number % 2 === 0 }).then(
      () => after.acknowledged++,
      (reason: unknown) => {
        if (reason === error) after.refusedWithTheSame++;
      },
    );
    try {
      store.read(writerPartition, keyOf(0));
      after.reads++;
    } catch (reason) {
      if (!(reason instanceof EngineError)) throw reason;
    }
  }
  report({ kind: 'after', ...after });
  // As a node does: no clean close of a store that failed.
  process.exit(74);
}

async function writeUntilFailure(store: RecordStore, nextNumber: () => number): Promise<void> {
  while (store.failure === undefined) {
    const number = nextNumber();
    try {
      await store.write(writerPartition, keyOf(number), recordOf(number), { sync: true });
    } catch (error) {
      if (error instanceof EngineError) return;
      throw error;
    }
    report({ kind: 'acknowledged', number });
  }
}

function report(line: WriterReport): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

const [kind, path] = process.argv.slice(2);
if (import.meta.main) await main(kind as EngineKind, path as string);
