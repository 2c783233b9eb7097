/**
 * `bench peers`: Kindred's Pipeline beside the best that etcd and Redis do with as many operations in flight. etcd: unary
 * calls, and Txn of 64 keys, counted per key, which is one entry of its log. Redis: one node without copies, pipelined.
 * `bench cassandra`: Kindred and etcd beside Cassandra, apart, since its JVMs need some seconds to be as fast as they get.
 */

import { ConsistencyLevel } from '../src/gen/kindred/v1/types.ts';
import {
  failuresText,
  type InterleavedOptions,
  interleaved,
  type LoadRow,
  loadTable,
} from './interleaved.ts';
import { type LoadSpec, plainLoad } from './load.ts';
import { type ResultKind, type Session, type SystemName, say } from './session.ts';

/** Enough for etcd's best: more in flight only waits. Kindred takes 1,024 on a stream. */
const pipelineInFlight = 512;
const unaryInFlight = 64;
const txnInFlight = 4;

const put: Pick<LoadSpec, 'mix'> = { mix: { shares: { update: 1 }, distribution: 'uniform' } };
const one = ConsistencyLevel.CONSISTENCY_LEVEL_ONE;

function allRows(): LoadRow[] {
  const row = (
    system: LoadRow['system'],
    name: string,
    target: LoadSpec['target'],
    connections: number,
    inFlight: number,
    spec: Partial<LoadSpec>,
  ): LoadRow => ({
    system,
    name,
    spec: { ...plainLoad, target, connections, arrivals: { kind: 'closed', inFlight }, ...spec },
  });
  return [
    row('kindred', 'pipelined put QUORUM', 'kindred-pipeline', 3, pipelineInFlight, put),
    row('kindred', 'pipelined get QUORUM', 'kindred-pipeline', 3, pipelineInFlight, {}),
    row('kindred', 'pipelined get ONE', 'kindred-pipeline', 3, pipelineInFlight, { readLevel: one }),
    row('kindred', 'unary put QUORUM', 'kindred', 12, unaryInFlight, put),
    row('kindred', 'unary get QUORUM', 'kindred', 12, unaryInFlight, {}),
    row('kindred', 'unary get ONE', 'kindred', 12, unaryInFlight, { readLevel: one }),
    row('etcd', 'put, unary', 'etcd', 12, unaryInFlight, put),
    row('etcd', 'put, Txn of 64, per key', 'etcd-txn', 12, txnInFlight, put),
    row('etcd', 'linearizable get, unary', 'etcd', 12, unaryInFlight, {}),
    row('etcd', 'linearizable get, Txn of 64, per key', 'etcd-txn', 12, txnInFlight, {}),
    row('etcd', 'serializable get, unary', 'etcd', 12, unaryInFlight, { readLevel: one }),
    row('etcd', 'serializable get, Txn of 64, per key', 'etcd-txn', 12, txnInFlight, { readLevel: one }),
    row('redis', 'SET, one node, appendfsync always', 'redis', 3, pipelineInFlight, put),
    row('redis', 'GET, one node', 'redis', 3, pipelineInFlight, {}),
    row('cassandra', 'put QUORUM, as Pipeline', 'cassandra', 3, pipelineInFlight, put),
    row('cassandra', 'get QUORUM, as Pipeline', 'cassandra', 3, pipelineInFlight, {}),
    row('cassandra', 'get ONE, as Pipeline', 'cassandra', 3, pipelineInFlight, { readLevel: one }),
    row('cassandra', 'put QUORUM, as unary', 'cassandra', 12, unaryInFlight, put),
    row('cassandra', 'get QUORUM, as unary', 'cassandra', 12, unaryInFlight, {}),
    row('cassandra', 'get ONE, as unary', 'cassandra', 12, unaryInFlight, { readLevel: one }),
  ];
}

/** The exit code: 1 when an operation failed. */
export function runPeers(session: Session, options: InterleavedOptions): Promise<number> {
  return run(session, { kind: 'peers', systems: ['kindred', 'etcd', 'redis'] }, options);
}

/** The same with Cassandra, which must be prepared. */
export function runCassandra(session: Session, options: InterleavedOptions): Promise<number> {
  return run(session, { kind: 'cassandra', systems: ['kindred', 'etcd', 'cassandra'] }, options);
}

async function run(
  session: Session,
  { kind, systems }: { readonly kind: ResultKind; readonly systems: readonly SystemName[] },
  options: InterleavedOptions,
): Promise<number> {
  const rows = allRows().filter(({ system }) => systems.includes(system));
  const results = await interleaved(session, rows, options);
  say(`\nmany in flight, 100 bytes; medians of ${options.rounds} rounds of ${options.windowMs / 1000} s\n`);
  say(loadTable(results));
  await session.keepResults(kind, { options, rows: results });
  const failures = failuresText(results);
  if (failures !== '') say(failures);
  return failures === '' ? 0 : 1;
}
