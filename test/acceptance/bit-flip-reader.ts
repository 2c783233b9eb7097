/**
 * Reads damaged copies of a store, in a process of its own because a damaged B-tree could end the process with a signal. For
 * each flip: copy the store, flip the bit, open, read everything, report what came out.
 */

import { cp, mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { mapKeyOf } from '../../src/core/bytes.ts';
import { partitionId } from '../../src/core/identity.ts';
import { systemEnv } from '../../src/env/system-env.ts';
import { EngineError, type EngineKind } from '../../src/storage/engine.ts';
import { openEngine } from '../../src/storage/open-engine.ts';
import { RecordStore } from '../../src/storage/record-store.ts';

export interface Flip {
  readonly file: string;
  readonly byte: number;
  readonly bit: number;
}

export interface ReaderOrder {
  readonly kind: EngineKind;
  readonly path: string;
  readonly integrityCheck: 'full' | 'quick';
  readonly partitions: number;
  /** The records as they were last written, and those that they replaced: key and CRC-32 of the record. */
  readonly records: readonly (readonly [key: string, now: number, before: readonly number[]])[];
  /** `none` reads an undamaged copy: the control. */
  readonly flips: readonly (Flip | 'none')[];
}

export interface FlipOutcome {
  readonly flip: Flip | 'none';
  /** The code and message with which the store refused to open or to be read. */
  readonly refused?: { readonly code: string; readonly message: string };
  readonly tailDropped: boolean;
  readonly right: number;
  readonly absent: number;
  readonly damaged: number;
  /** An older record of the key, that had been replaced. */
  readonly older: number;
  /** Bytes that were never written under the key. */
  readonly wrong: number;
}

async function outcomeOf(order: ReaderOrder, flip: Flip | 'none'): Promise<FlipOutcome> {
  const path = await mkdtemp(join(tmpdir(), 'kindred-flip-'));
  const counts = { tailDropped: false, right: 0, absent: 0, damaged: 0, older: 0, wrong: 0 };
  try {
    await cp(order.path, path, { recursive: true });
    if (flip !== 'none') await flipBit(join(path, flip.file), flip);
    const engine = await openEngine({ kind: order.kind, path, integrityCheck: order.integrityCheck });
    try {
      counts.tailDropped = engine.tailDropped;
      const store = new RecordStore({ engine, crc32, env: systemEnv() });
      const records = new Map(order.records.map(([key, now, before]) => [key, { now, before }]));
      const seen = new Set<string>();
      for (let partition = 0; partition < order.partitions; partition++) {
        for await (const [recordKey, read] of store.entries(partitionId(partition))) {
          const name = `${partition}/${mapKeyOf(recordKey)}`;
          seen.add(name);
          if (read.kind !== 'found') continue;
          const expected = records.get(name);
          const sum = crc32(read.record);
          if (expected === undefined || (sum !== expected.now && !expected.before.includes(sum)))
            counts.wrong++;
        }
      }
      for (const [name, expected] of records) {
        const slash = name.indexOf('/');
        const key = Buffer.from(name.slice(slash + 1), 'latin1');
        const read = store.read(partitionId(Number(name.slice(0, slash))), key);
        if (read.kind === 'found') {
          const sum = crc32(read.record);
          if (sum === expected.now) counts.right++;
          else if (expected.before.includes(sum)) counts.older++;
          else counts.wrong++;
        } else counts[read.kind]++;
      }
    } finally {
      await engine.close();
    }
    return { flip, ...counts };
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    return { flip, ...counts, refused: { code: error.code, message: error.message } };
  } finally {
    await rm(path, { recursive: true, force: true });
  }
}

async function flipBit(path: string, flip: Flip): Promise<void> {
  const file = await open(path, 'r+');
  try {
    const byte = Buffer.alloc(1);
    await file.read(byte, 0, 1, flip.byte);
    byte[0] = (byte[0] as number) ^ (1 << flip.bit);
    await file.write(byte, 0, 1, flip.byte);
  } finally {
    await file.close();
  }
}

process.once('message', async (order: ReaderOrder) => {
  for (const flip of order.flips) process.send?.(await outcomeOf(order, flip));
  process.disconnect();
});
