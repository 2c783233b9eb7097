/** `bench ycsb`: the workloads A, B, C, D and F, unary, on Kindred at QUORUM and on etcd with linearizable reads. */

import {
  failuresText,
  type InterleavedOptions,
  interleaved,
  type LoadRow,
  loadTable,
} from './interleaved.ts';
import { plainLoad } from './load.ts';
import { type Session, say } from './session.ts';
import { type YcsbName, ycsb } from './ycsb.ts';

export interface YcsbOptions extends InterleavedOptions {
  readonly keys: number;
  readonly valueBytes: number;
  readonly connections: number;
  readonly inFlight: number;
}

/** The exit code: 1 when an operation failed. */
export async function runYcsb(session: Session, options: YcsbOptions): Promise<number> {
  const { keys, valueBytes, connections, inFlight, rounds, windowMs } = options;
  const rows = (Object.keys(ycsb) as YcsbName[]).flatMap((name) =>
    (['kindred', 'etcd'] as const).map(
      (system): LoadRow => ({
        system,
        name: `${name}, ${ycsb[name].title}`,
        spec: {
          ...plainLoad,
          target: system,
          mix: ycsb[name],
          keys,
          valueBytes,
          connections,
          arrivals: { kind: 'closed', inFlight },
        },
      }),
    ),
  );
  const results = await interleaved(session, rows, options);
  say(
    `\nYCSB, ${keys.toLocaleString('en')} keys of ${valueBytes} bytes; ${connections} connections with ${inFlight} in flight; ` +
      `medians of ${rounds} rounds of ${windowMs / 1000} s\n`,
  );
  say(loadTable(results));
  await session.keepResults('ycsb', { options, rows: results });
  const failures = failuresText(results);
  if (failures !== '') say(failures);
  return failures === '' ? 0 : 1;
}
