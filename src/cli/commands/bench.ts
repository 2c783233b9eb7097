/** `kindred bench`: is this cluster fast, from here? The careful comparison is `npm run bench` in the repository. */

import { type Command, Option } from 'commander';
import { ReadOptions, WriteOptions } from '../../gen/kindred/v1/types.ts';
import { plainTable } from '../answer-text.ts';
import { parseDurationMs } from '../duration-text.ts';
import { CLIENT_EXIT } from '../exit-code.ts';
import { type LoadResult, runLoad } from '../load-run.ts';
import {
  addConnectionOptions,
  type ConnectionFlags,
  LEVEL_NAMES,
  openClient,
  parseCount,
  readOptionsOf,
  type StrengthFlags,
  writeOptionsOf,
} from '../request-options.ts';
import { type CommandContext, runClientCommand } from '../run-command.ts';
import { UsageError } from '../terminal.ts';

interface BenchFlags extends ConnectionFlags, StrengthFlags {
  readonly bucket: string;
  readonly operation: 'put' | 'get' | 'both';
  readonly duration: string;
  readonly concurrency: number;
  readonly keys: number;
  readonly valueBytes: number;
  readonly durability?: string;
  readonly pipeline?: boolean;
}

const VALUE_BYTES_MAX = 1024 * 1024;
const CONCURRENCY_MAX = 10_000;
/** For a quick look; timers overflow long before the durations that can be written. */
const DURATION_MS_MAX = 3_600_000;

/** Adds the command to `program`. */
export function addBenchCommand(program: Command, context: CommandContext): void {
  const { terminal } = context;
  addConnectionOptions(
    program
      .command('bench')
      .description('load a running cluster for some seconds; writes keys named bench-0, bench-1, ...'),
  )
    .option('-b, --bucket <name>', 'bucket of the keys', 'default')
    .addOption(
      new Option('-o, --operation <kind>', 'put, get, or both one after the other')
        .choices(['put', 'get', 'both'])
        .default('both'),
    )
    .option('--duration <duration>', 'of each operation', '5s')
    .option('--concurrency <count>', 'operations in flight, over all endpoints', parseCount, 64)
    .option('--keys <count>', 'how many different keys', parseCount, 10_000)
    .option('--value-bytes <count>', 'size of the values', parseCount, 100)
    .option('--pipeline', 'one stream per endpoint instead of a call per operation')
    .addOption(
      new Option('-l, --level <level>', 'of every operation (default: of the bucket)').choices([
        ...LEVEL_NAMES,
      ]),
    )
    .addOption(
      new Option('--replicas <count>', 'the same as a number').argParser(parseCount).conflicts('level'),
    )
    .addOption(
      new Option('--durability <mode>', 'of puts (default: of the bucket)').choices([
        'buffered',
        'sync-one',
        'sync-quorum',
      ]),
    )
    .action(async (flags: BenchFlags) => {
      await runClientCommand(
        context,
        flags,
        () => openClient(flags, terminal),
        async (client) => {
          const durationMs = parseDurationMs(flags.duration, '--duration');
          if (durationMs > DURATION_MS_MAX) throw new UsageError('--duration is above 1h');
          if (flags.valueBytes > VALUE_BYTES_MAX)
            throw new UsageError(`--value-bytes is above ${VALUE_BYTES_MAX}`);
          if (flags.concurrency > CONCURRENCY_MAX)
            throw new UsageError(`--concurrency is above ${CONCURRENCY_MAX}`);
          const operations =
            flags.operation === 'both' ? (['put', 'get'] as const) : ([flags.operation] as const);
          if (flags.level === 'any' && operations.some((one) => one === 'get')) {
            throw new UsageError('--level any is for writes only: add --operation put');
          }
          const strength = { ...flags, base64: false, hex: false, context: '' };
          const results: LoadResult[] = [];
          for (const operation of operations) {
            const readOptions = operation === 'get' ? readOptionsOf(strength) : ReadOptions.create();
            // No request id here: one id means one write.
            const writeOptions =
              operation === 'put'
                ? { ...writeOptionsOf(strength), requestId: new Uint8Array() }
                : WriteOptions.create();
            const { concurrency, keys, valueBytes, bucket } = flags;
            const plan = {
              operation,
              durationMs,
              concurrency,
              keys,
              valueBytes,
              bucket,
              readOptions,
              writeOptions,
            };
            results.push(await runLoad(client, { ...plan, pipeline: flags.pipeline === true }));
          }
          terminal.out(flags.json === true ? `${JSON.stringify({ results })}\n` : benchText(results, flags));
          const failed = results.some((result) => Object.keys(result.failures).length > 0);
          return { exit: failed ? CLIENT_EXIT.failed : CLIENT_EXIT.ok };
        },
      );
    });
}

function benchText(results: readonly LoadResult[], flags: BenchFlags): string {
  const ms = (value: number): string => `${value.toFixed(2)} ms`;
  const rows = results.map(({ operation, operations, perSecond, latencyMs, failures }) => [
    operation,
    String(operations),
    perSecond.toFixed(0),
    ms(latencyMs.p50),
    ms(latencyMs.p99),
    ms(latencyMs.p999),
    ms(latencyMs.max),
    String(Object.values(failures).reduce((sum, count) => sum + count, 0)),
  ]);
  const how = flags.pipeline === true ? 'pipelined' : 'unary';
  const what = `${how}, ${flags.concurrency} in flight, ${flags.valueBytes}-byte values, level ${flags.level ?? flags.replicas ?? 'of the bucket'}`;
  const failures = results.flatMap((result) =>
    Object.entries(result.failures).map(([name, count]) => `  ${result.operation}: ${count} x ${name}\n`),
  );
  return [
    `${what}\n`,
    plainTable(['operation', 'done', 'per second', 'p50', 'p99', 'p99.9', 'max', 'failed'], rows),
    ...failures,
  ].join('');
}
