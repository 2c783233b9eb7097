/**
 * Random single-bit flips over all files of a closed store, per engine. After each: every record that is read is right,
 * or the damage is reported (the store refuses to open, or the record reads as damaged); an older record is served only when
 * the engine said that its log lost its tail; and no process is ended by a signal.
 *
 * KINDRED_BIT_FLIPS sets their number (200 take about half a minute), KINDRED_SEED the seed.
 */

import { fork } from 'node:child_process';
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { crc32 } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { partitionId } from '../../src/core/identity.ts';
import { systemEnv } from '../../src/env/system-env.ts';
import type { EngineKind } from '../../src/storage/engine.ts';
import { openEngine } from '../../src/storage/open-engine.ts';
import { RecordStore } from '../../src/storage/record-store.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import type { Flip, FlipOutcome, ReaderOrder } from './bit-flip-reader.ts';

const flipCount = Number(process.env['KINDRED_BIT_FLIPS'] ?? 60);
const seed = Number(process.env['KINDRED_SEED'] ?? 20_260);
const partitions = 4;

describe.each(['lsm', 'btree'] as const)('%s', (kind) => {
  let path = '';
  const random = new SeededRandom(seed);
  let records: ReaderOrder['records'] = [];

  beforeAll(async () => {
    path = await mkdtemp(join(tmpdir(), 'kindred-bit-flip-'));
    records = await writeStore(kind, path, random);
  }, 60_000);
  afterAll(() => rm(path, { recursive: true, force: true }));

  test(`${flipCount} bit flips: nothing damaged is returned, nothing crashes`, {
    timeout: 600_000,
  }, async () => {
    const flips = await chooseFlips(path, random);
    const [control, ...outcomes] = await readFlipped({
      kind,
      path,
      integrityCheck: 'full',
      partitions,
      records,
      flips: ['none', ...flips],
    });
    const crashes = outcomes.filter((outcome) => 'signal' in outcome);
    const read = outcomes.filter((outcome): outcome is FlipOutcome => !('signal' in outcome));
    const sum = (count: (outcome: FlipOutcome) => number): number =>
      read.reduce((all, one) => all + count(one), 0);
    console.log(
      `${kind}, seed ${seed}: ${flips.length} flips; ${read.filter((one) => one.refused).length} refused to open, ` +
        `${read.filter((one) => one.tailDropped).length} reported a lost tail, ` +
        `${read.filter((one) => !one.refused && one.right === records.length).length} left every record right; ` +
        `records damaged ${sum((one) => one.damaged)}, absent ${sum((one) => one.absent)}, older ${sum((one) => one.older)}`,
    );
    expect(control).toMatchObject({ flip: 'none', right: records.length, tailDropped: false });
    expect(crashes).toEqual([]);
    expect(read.filter((outcome) => outcome.wrong > 0)).toEqual([]);
    expect(read.filter((outcome) => outcome.older > 0 && !outcome.tailDropped)).toEqual([]);
    expect(read.filter((one) => one.refused && one.refused.code !== 'damaged')).toEqual([]);
    for (const { refused } of read)
      if (refused) expect(refused.message).toMatch(/is damaged: .+Empty the data directory/s);
    // The test would prove nothing if the flips had missed everything that matters.
    expect(read.filter((one) => one.refused || one.tailDropped || one.damaged > 0).length).toBeGreaterThan(
      flips.length / 20,
    );
  });
});

/** Records of all sizes, many replaced, over several runs of the engine, so that every kind of file and page exists. */
async function writeStore(
  kind: EngineKind,
  path: string,
  random: SeededRandom,
): Promise<ReaderOrder['records']> {
  const sums = new Map<string, number[]>();
  for (let run = 0; run < 4; run++) {
    const engine = await openEngine({ kind, path });
    const store = new RecordStore({ engine, crc32, env: systemEnv() });
    const writes: Promise<void>[] = [];
    for (let i = 0; i < 600; i++) {
      const partition = random.below(partitions);
      const key = `bucket\0key-${random.below(900)}${'x'.repeat(random.percent(5) ? 900 : 0)}`;
      const length = random.percent(2) ? 20_000 : random.between(10, 700);
      const record = Uint8Array.from({ length }, () => random.below(256));
      const name = `${partition}/${key}`;
      sums.set(name, [...(sums.get(name) ?? []), crc32(record)]);
      writes.push(
        store.write(partitionId(partition), Buffer.from(key, 'latin1'), record, { sync: i % 10 === 0 }),
      );
    }
    await Promise.all(writes);
    await engine.close();
  }
  return [...sums].map(([name, all]) => [name, all.at(-1) as number, all.slice(0, -1)]);
}

/** Flips spread over all bytes of all files. */
async function chooseFlips(path: string, random: SeededRandom): Promise<Flip[]> {
  const files: { file: string; bytes: number }[] = [];
  for (const entry of await readdir(path, { recursive: true, withFileTypes: true })) {
    const file = join(entry.parentPath, entry.name);
    if (entry.isFile()) files.push({ file: relative(path, file), bytes: (await stat(file)).size });
  }
  const all = files.reduce((sum, { bytes }) => sum + bytes, 0);
  return Array.from({ length: flipCount }, () => {
    let byte = random.below(all);
    const found = files.find(({ bytes }) => {
      if (byte < bytes) return true;
      byte -= bytes;
      return false;
    });
    return { file: found?.file ?? '', byte, bit: random.below(8) };
  });
}

interface Crash {
  readonly flip: Flip | 'none';
  readonly signal: string;
}

/** Runs the reader over all flips; a flip that ends it is reported with the signal, and a new reader takes the rest. */
async function readFlipped(order: ReaderOrder): Promise<(FlipOutcome | Crash)[]> {
  const outcomes: (FlipOutcome | Crash)[] = [];
  while (outcomes.length < order.flips.length) {
    const flips = order.flips.slice(outcomes.length);
    const before = outcomes.length;
    const ended = await new Promise<string>((resolve, reject) => {
      const reader = fork(join(import.meta.dirname, 'bit-flip-reader.ts'), { execArgv: [] });
      reader.on('message', (outcome: FlipOutcome) => outcomes.push(outcome));
      reader.on('error', reject);
      reader.on('exit', (code, signal) => resolve(signal ?? String(code)));
      reader.send({ ...order, flips });
    });
    const flip = flips[outcomes.length - before];
    if (flip !== undefined) outcomes.push({ flip, signal: ended });
  }
  return outcomes;
}
