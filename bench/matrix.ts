/**
 * `bench matrix`: how throughput changes with the size of values, the level, the durability and the number of keys. One row
 * for each size x level x durability, and for each number of keys of 100 bytes; Kindred alone.
 */

import { ConsistencyLevel, Durability } from '../src/gen/kindred/v1/types.ts';
import {
  failuresText,
  type InterleavedOptions,
  interleaved,
  type LoadRow,
  type LoadRowResult,
  loadTable,
} from './interleaved.ts';
import { plainLoad } from './load.ts';
import { type Session, say } from './session.ts';

export interface MatrixOptions extends InterleavedOptions {
  readonly valueBytes: readonly number[];
  readonly keys: readonly number[];
}

/** A row with where it stands in the matrix. */
export interface MatrixResult extends LoadRowResult {
  readonly valueBytes: number;
  readonly keys: number;
}

const levels = {
  ONE: ConsistencyLevel.CONSISTENCY_LEVEL_ONE,
  QUORUM: ConsistencyLevel.CONSISTENCY_LEVEL_QUORUM,
  ALL: ConsistencyLevel.CONSISTENCY_LEVEL_ALL,
} as const;
const durabilities = {
  SYNC_QUORUM: Durability.DURABILITY_SYNC_QUORUM,
  BUFFERED: Durability.DURABILITY_BUFFERED,
} as const;
const connections = 12;
const unaryInFlight = 4;
const streams = 3;
/** All values of a size together: more keys of large values would measure the disk that they fill. */
const sizedBytesMax = 100 * 1024 * 1024;
const sizedKeysMax = 10_000;
/** All operations in flight together. */
const inFlightBytesMax = 4 * 1024 * 1024;

/** The exit code: 1 when an operation failed. */
export async function runMatrix(session: Session, options: MatrixOptions): Promise<number> {
  const results: MatrixResult[] = [];
  for (const valueBytes of options.valueBytes) {
    const keys = Math.min(sizedKeysMax, Math.floor(sizedBytesMax / valueBytes));
    results.push(...(await measured(session, sizeRows(valueBytes, keys), options)));
  }
  for (const keys of [...options.keys].sort((a, b) => a - b)) {
    results.push(...(await measured(session, keyRows(keys), options)));
  }
  say(`\nKindred, medians of ${options.rounds} rounds of ${options.windowMs / 1000} s\n`);
  say(loadTable(results));
  await session.keepResults('matrix', { options, rows: results });
  const failures = failuresText(results);
  if (failures !== '') say(failures);
  return failures === '' ? 0 : 1;
}

async function measured(
  session: Session,
  rows: readonly LoadRow[],
  options: InterleavedOptions,
): Promise<MatrixResult[]> {
  const results = await interleaved(session, rows, options);
  return results.map((result, index) => {
    const { valueBytes, keys } = (rows[index] as LoadRow).spec;
    return { ...result, valueBytes, keys };
  });
}

function sizeRows(valueBytes: number, keys: number): LoadRow[] {
  const named = Object.entries(levels);
  return [
    ...Object.entries(durabilities).flatMap(([durabilityName, durability]) =>
      named.map(([levelName, writeLevel]) =>
        row(`put ${levelName} ${durabilityName} ${sizeText(valueBytes)}`, 'update', false, {
          valueBytes,
          keys,
          writeLevel,
          durability,
        }),
      ),
    ),
    ...named.map(([levelName, readLevel]) =>
      row(`get ${levelName} ${sizeText(valueBytes)}`, 'read', false, { valueBytes, keys, readLevel }),
    ),
    row(`pipelined put QUORUM SYNC_QUORUM ${sizeText(valueBytes)}`, 'update', true, { valueBytes, keys }),
    row(`pipelined get QUORUM ${sizeText(valueBytes)}`, 'read', true, { valueBytes, keys }),
  ];
}

function keyRows(keys: number): LoadRow[] {
  const count = `${keys.toLocaleString('en')} keys`;
  return [
    row(`put QUORUM, ${count}`, 'update', false, { keys }),
    row(`get QUORUM, ${count}`, 'read', false, { keys }),
    row(`pipelined put QUORUM, ${count}`, 'update', true, { keys }),
    row(`pipelined get QUORUM, ${count}`, 'read', true, { keys }),
  ];
}

function row(
  name: string,
  kind: 'read' | 'update',
  pipelined: boolean,
  spec: Partial<LoadRow['spec']>,
): LoadRow {
  const valueBytes = spec.valueBytes ?? plainLoad.valueBytes;
  const inFlight = Math.max(4, Math.min(256, Math.floor(inFlightBytesMax / streams / valueBytes)));
  return {
    system: 'kindred',
    name,
    spec: {
      ...plainLoad,
      target: pipelined ? 'kindred-pipeline' : 'kindred',
      connections: pipelined ? streams : connections,
      arrivals: { kind: 'closed', inFlight: pipelined ? inFlight : unaryInFlight },
      mix: { shares: { [kind]: 1 }, distribution: 'uniform' },
      ...spec,
    },
  };
}

/** `100 B`, `10 KiB`. */
export function sizeText(bytes: number): string {
  return bytes >= 1024 && bytes % 1024 === 0 ? `${bytes / 1024} KiB` : `${bytes} B`;
}
