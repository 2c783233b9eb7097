/** The options of `npm run bench`. */

import { tmpdir } from 'node:os';
import { parseArgs } from 'node:util';
import type { MeasureOptions } from './measure.ts';

export interface BenchOptions {
  readonly rounds: number;
  readonly engine: 'lsm' | 'btree' | 'memory';
  /** Only rows whose name contains it. */
  readonly only: string | undefined;
  /** A directory for data and logs is made in it. */
  readonly directory: string;
  readonly keep: boolean;
  readonly profile: boolean;
  readonly measure: Omit<MeasureOptions, 'unaryDriver'>;
}

export const helpText: string = `npm run bench -- [options]     about three minutes

  --quick            one round of shorter windows, under a minute
  --rounds N         measures each row so often, in turn (3), and prints the medians
  --seconds S        length of a window (1.2)
  --connections N    of the unary rows, over all nodes (12); each has a key of its own
  --streams N        calls in flight on each connection (4)
  --engine KIND      storage of Kindred: lsm (default), btree or memory
  --only TEXT        rows whose name contains it
  --directory PATH   data and logs go into a directory in it (${tmpdir()}); it must be on a disk
  --keep             does not remove that directory
  --profile          runs the coordinator of one Kindred row under the CPU profiler, and nothing else:
                     "put QUORUM 100 B, one node", or the first row that --only finds
`;

const usual = { rounds: 3, seconds: 1.2, warmUpMs: 500 };
const quick = { rounds: 1, seconds: 0.6, warmUpMs: 250 };

export type ParsedOptions =
  | { readonly kind: 'run'; readonly options: BenchOptions }
  | { readonly kind: 'help' }
  | { readonly kind: 'wrong'; readonly problem: string };

/** Reads the arguments after `bench/main.ts`. */
export function parseOptions(args: readonly string[]): ParsedOptions {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        help: { type: 'boolean', short: 'h', default: false },
        quick: { type: 'boolean', default: false },
        rounds: { type: 'string' },
        seconds: { type: 'string' },
        connections: { type: 'string', default: '12' },
        streams: { type: 'string', default: '4' },
        engine: { type: 'string', default: 'lsm' },
        only: { type: 'string' },
        directory: { type: 'string', default: tmpdir() },
        keep: { type: 'boolean', default: false },
        profile: { type: 'boolean', default: false },
      },
    });
    if (values.help) return { kind: 'help' };
    const { engine, only, directory, keep, profile } = values;
    if (engine !== 'lsm' && engine !== 'btree' && engine !== 'memory') {
      return { kind: 'wrong', problem: `--engine ${engine}: must be lsm, btree or memory` };
    }
    const length = values.quick ? quick : usual;
    const seconds = number('--seconds', values.seconds ?? String(length.seconds), { least: 0.1, most: 60 });
    const options: BenchOptions = {
      rounds: count('--rounds', values.rounds ?? String(length.rounds), 100),
      engine,
      only,
      directory,
      keep,
      profile,
      measure: {
        warmUpMs: length.warmUpMs,
        windowMs: Math.round(seconds * 1000),
        lanes: count('--connections', values.connections, 300),
        streams: count('--streams', values.streams, 100),
      },
    };
    return { kind: 'run', options };
  } catch (error) {
    return { kind: 'wrong', problem: (error as Error).message };
  }
}

function count(name: string, text: string, most: number): number {
  const value = number(name, text, { least: 1, most });
  if (!Number.isInteger(value)) throw new Error(`${name} ${text}: must be a whole number`);
  return value;
}

function number(
  name: string,
  text: string,
  bounds: { readonly least: number; readonly most: number },
): number {
  const value = Number(text);
  if (!(value >= bounds.least && value <= bounds.most)) {
    throw new Error(`${name} ${text}: must be a number from ${bounds.least} to ${bounds.most}`);
  }
  return value;
}
