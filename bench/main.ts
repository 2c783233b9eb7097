/** `npm run bench`: measures Kindred, on this machine, now. What is measured, and what it does not say, is in README.md. */

import { tmpdir } from 'node:os';
import { Command, InvalidArgumentError, Option } from 'commander';
import { prepareCassandra } from './cassandra-jars.ts';
import { type ClientName, clientNames, runClients } from './clients.ts';
import { type CompareOptions, runCompare, runProfile } from './compare.ts';
import { runLatency } from './latency.ts';
import { runMatrix } from './matrix.ts';
import { runNodes } from './nodes.ts';
import { runOverload } from './overload.ts';
import { runCassandra, runPeers } from './peers.ts';
import { runRatios } from './ratios.ts';
import { renderReport, runReport } from './report.ts';
import { runScale } from './scale.ts';
import { type Session, type SessionOptions, withSession } from './session.ts';
import { runYcsb } from './ycsb-run.ts';

const wrongUsage = 2;

/** Options of all commands that measure. */
interface CommonFlags extends SessionOptions {
  readonly quick?: boolean;
  readonly rounds?: number;
  readonly seconds?: number;
}

const program = new Command('npm run bench --')
  .description('measures Kindred beside etcd, Redis, Cassandra and the floor, on this machine, now')
  .showHelpAfterError('(--help shows what there is)')
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : wrongUsage));

measuring('compare', 'Kindred beside etcd and a no-op, row by row (the default); about three minutes', {
  isDefault: true,
})
  .option(
    '--connections <count>',
    'of the unary rows, over all nodes; each has a key of its own',
    count(300),
    12,
  )
  .option('--streams <count>', 'calls in flight on each connection', count(100), 4)
  .option('--only <text>', 'rows whose name contains it')
  .option('--profile', 'one Kindred row under the CPU profiler: "put QUORUM 100 B, one node", or --only')
  .option(
    '--check',
    'compare the ratios to the floor with bench/ratios.json; 1 when one fell by more than 25 %',
  )
  .option('--write-ratios', 'measure the ratios to the floor, and write bench/ratios.json')
  .action(async (flags: CommonFlags & CompareFlags) => {
    const times = timesOf(flags, { seconds: 1.2, warmUpMs: 500, rounds: 3 });
    const { connections: lanes, streams, only } = flags;
    const options: CompareOptions = {
      ...times,
      lanes,
      streams,
      chosen: (name) => only === undefined || name.includes(only),
    };
    const { check = false, writeRatios: write = false } = flags;
    if (check || write) {
      // One round says little about a ratio.
      const enough = { ...times, rounds: flags.rounds ?? 5, windowMs: Math.max(600, times.windowMs) };
      await withSession(flags, (session) => runRatios(session, { ...enough, check, write }));
    } else if (flags.profile === true) {
      await withSession({ ...flags, keep: true }, (session) => runProfile(session, options));
    } else await withSession(flags, (session) => runCompare(session, options));
  });

interface CompareFlags {
  readonly connections: number;
  readonly streams: number;
  readonly only?: string;
  readonly profile?: boolean;
  readonly check?: boolean;
  readonly writeRatios?: boolean;
}

measuring(
  'peers',
  'many operations in flight: Pipeline beside etcd (unary, Txn of 64) and Redis; three minutes',
).action((flags: CommonFlags) =>
  withSession(flags, (session) =>
    runPeers(session, timesOf(flags, { seconds: 1.5, warmUpMs: 500, rounds: 5 })),
  ),
);

measuring(
  'cassandra',
  'the same beside three nodes of Cassandra; needs JDK 17, and the first time Maven and the network; four minutes',
).action(async (flags: CommonFlags) => {
  try {
    await prepareCassandra();
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n`);
    process.exitCode = 1;
    return;
  }
  await withSession(flags, (session) =>
    runCassandra(session, timesOf(flags, { seconds: 1.5, warmUpMs: 500, rounds: 5 })),
  );
});

measuring('latency', 'latency at fixed rates, open loop, and while the nodes are busy; three minutes').action(
  (flags: CommonFlags) =>
    withSession(flags, (session) => {
      const { warmUpMs, windowMs } = timesOf(flags, { seconds: 3, warmUpMs: 700, rounds: 1 });
      const shares = flags.quick === true ? [0.5] : [0.1, 0.25, 0.5, 0.7, 0.85, 0.95];
      return runLatency(session, { warmUpMs, windowMs, shares });
    }),
);

measuring('ycsb', 'YCSB A, B, C, D and F on Kindred and etcd; two minutes')
  .option('--keys <count>', 'that are there before', count(50_000_000), 10_000)
  .option('--value-bytes <count>', 'size of values', count(1_000_000), 100)
  .option('--connections <count>', 'over all nodes', count(300), 12)
  .option('--streams <count>', 'operations in flight on each connection', count(100), 8)
  .action((flags: CommonFlags & { keys: number; valueBytes: number; connections: number; streams: number }) =>
    withSession(flags, (session) => {
      const { keys, valueBytes, connections, streams } = flags;
      const times = timesOf(flags, { seconds: 2, warmUpMs: 500, rounds: 3 });
      return runYcsb(session, { ...times, keys, valueBytes, connections, inFlight: streams });
    }),
  );

measuring('matrix', 'sizes x levels x durabilities, and numbers of keys; ten minutes')
  .option('--value-bytes <list>', 'sizes of values', list(1_000_000), [100, 1024, 10 * 1024, 100 * 1024])
  .option(
    '--keys <list>',
    'numbers of keys of 100 bytes (10000000 takes ten minutes more)',
    list(50_000_000),
    [10_000, 1_000_000],
  )
  .action((flags: CommonFlags & { valueBytes: number[]; keys: number[] }) =>
    withSession(flags, (session) => {
      const { valueBytes, keys } = flags;
      return runMatrix(session, {
        ...timesOf(flags, { seconds: 1.2, warmUpMs: 400, rounds: 3 }),
        valueBytes,
        keys,
      });
    }),
  );

common(
  program.command('overload').description('beyond the peak, recovery, a reader that stops; four minutes'),
)
  .option('--times <count>', 'how many times the peak', count(100), 5)
  .option('--seconds <count>', 'how long', count(3600), 60)
  .action((flags: SessionOptions & { times: number; seconds: number }) =>
    withSession(flags, (session) => runOverload(session, { times: flags.times, seconds: flags.seconds })),
  );

common(
  program.command('scale').description('one node with many keys: opening, memory, throughput; ten minutes'),
)
  .option('--keys <count>', 'how many', count(100_000_000), 10_000_000)
  .option('--few-keys <count>', 'compared with so many', count(100_000_000), 100_000)
  .action((flags: SessionOptions & { keys: number; fewKeys: number }) =>
    withSession(flags, (session) => runScale(session, { keys: flags.keys, fewKeys: flags.fewKeys })),
  );

common(program.command('nodes').description('CPU per operation as the cluster grows; three minutes'))
  .option('--counts <list>', 'sizes of the cluster', list(50), [3, 6, 9, 12])
  .option('--rounds <count>', 'medians of so many', count(100), 3)
  .option('--rate <count>', 'operations per second', count(100_000), 1_000)
  .action((flags: SessionOptions & { counts: number[]; rounds: number; rate: number }) =>
    withSession(flags, (session) =>
      runNodes(session, { counts: flags.counts, rounds: flags.rounds, perSecond: flags.rate }),
    ),
  );

common(
  program
    .command('clients')
    .description(
      'the client libraries beside their bare stubs, and their pipelines; about a minute a client',
    ),
)
  .addOption(
    new Option('--client <name...>', 'only these; each needs its clients/*/run/setup')
      .choices([...clientNames])
      .default([...clientNames]),
  )
  .option('--rounds <count>', 'medians of so many', count(100), 1)
  .option('--seconds <number>', 'each measurement', seconds, 5)
  .action((flags: SessionOptions & { client: ClientName[]; rounds: number; seconds: number }) =>
    withSession(flags, (session) =>
      runClients(session, { names: flags.client, rounds: flags.rounds, seconds: flags.seconds }),
    ),
  );

common(
  program
    .command('report')
    .description(
      'compare, peers, latency, ycsb and matrix in a given time, then docs/performance.md and its plots',
    ),
)
  .option('--minutes <count>', 'how long all may take', count(600), 15)
  .option('--render', 'measure nothing: write the document from the newest results of every command')
  .action(async (flags: SessionOptions & { minutes: number; render?: boolean }) => {
    if (flags.render === true) await renderReport();
    else await withSession(flags, (session: Session) => runReport(session, { minutes: flags.minutes }));
  });

await program.parseAsync();

function measuring(name: string, description: string, options: { isDefault?: boolean } = {}): Command {
  return common(program.command(name, options).description(description))
    .option('--quick', 'one round of short windows, for a first look')
    .option('--rounds <count>', 'measure each row so often, in turn, and print the medians', count(100))
    .option('--seconds <number>', 'length of a window', seconds);
}

function common(command: Command): Command {
  return command
    .addOption(
      new Option('--engine <kind>', 'storage of Kindred').choices(['lsm', 'btree', 'memory']).default('lsm'),
    )
    .option('--directory <path>', 'data and logs go into a directory in it; it must be on a disk', tmpdir())
    .option('--keep', 'do not remove that directory', false)
    .allowExcessArguments(false);
}

/** `--quick` shortens all; what is given counts. */
function timesOf(
  flags: CommonFlags,
  usual: { readonly seconds: number; readonly warmUpMs: number; readonly rounds: number },
): { readonly rounds: number; readonly warmUpMs: number; readonly windowMs: number } {
  const quick = flags.quick === true;
  const length = flags.seconds ?? (quick ? usual.seconds / 2 : usual.seconds);
  return {
    rounds: flags.rounds ?? (quick ? 1 : usual.rounds),
    warmUpMs: quick ? usual.warmUpMs / 2 : usual.warmUpMs,
    windowMs: Math.round(length * 1000),
  };
}

function count(most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!Number.isInteger(value) || value < 1 || value > most) {
      throw new InvalidArgumentError(`must be a whole number from 1 to ${most}`);
    }
    return value;
  };
}

function list(most: number): (text: string) => number[] {
  return (text) => text.split(',').map(count(most));
}

function seconds(text: string): number {
  const value = Number(text);
  if (!(value >= 0.1 && value <= 60)) throw new InvalidArgumentError('must be a number from 0.1 to 60');
  return value;
}
