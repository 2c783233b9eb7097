/** `kindred put`, `delete`, `touch`. Every write carries a request id, so that sending it again counts once. */

import { type Command, Option } from 'commander';
import type { Duration } from '../../gen/google/protobuf/duration.ts';
import { type DeleteRequest, PutRequest, type TouchRequest } from '../../gen/kindred/v1/kv.ts';
import {
  type Dot,
  type Key,
  Value,
  type WriteOptions,
  type WriteReport,
} from '../../gen/kindred/v1/types.ts';
import { dotJson, keyJson, ReplicaNames, writeReportJson, writeReportText } from '../answer-text.ts';
import { toBase64Url } from '../bytes-text.ts';
import { parseDurationMs } from '../duration-text.ts';
import { CLIENT_EXIT } from '../exit-code.ts';
import {
  addWriteOptions,
  blindOption,
  causalityOf,
  collect,
  keyOf,
  openClient,
  parseContext,
  requestIdText,
  valueBytesOf,
  type WriteFlags,
  writeOptionsOf,
} from '../request-options.ts';
import { type CommandContext, runClientCommand } from '../run-command.ts';
import { type Terminal, UsageError } from '../terminal.ts';

interface PutFlags extends WriteFlags {
  readonly file?: string;
  readonly blind?: string;
  readonly ttl?: string;
  readonly keepTtl?: boolean;
  readonly contentType?: string;
  readonly metadata: readonly string[];
}

/** Adds the commands that write to `program`. */
export function addWriteCommands(program: Command, context: CommandContext): void {
  const { terminal } = context;

  addWriteOptions(
    program
      .command('put <key> [value]')
      .description('store a value: VALUE, --file PATH, or - for standard input'),
  )
    .option('-f, --file <path>', 'take the value from this file, byte for byte')
    .addOption(blindOption())
    .option('--ttl <duration>', 'expire after 30s, 5m, 1h, ...')
    .option('--keep-ttl', 'expire when the value that this replaces would have')
    .option('--content-type <type>', 'kept with the value')
    .addOption(
      new Option('--metadata <name=value>', 'kept with the value; repeat for more')
        .argParser(collect)
        .default([], 'none'),
    )
    .action(async (keyText: string, valueText: string | undefined, flags: PutFlags) => {
      let sent: WriteOptions | undefined;
      await runClientCommand(
        context,
        flags,
        () => openClient(flags, terminal),
        async (client) => {
          const key = keyOf(keyText, flags);
          const options = writeOptionsOf(flags);
          const request = PutRequest.create({
            key,
            causality: causalityOf(flags),
            expiry: putExpiryOf(flags),
            options,
            value: Value.create({
              data: await valueBytesOf(valueText, flags, terminal),
              contentType: flags.contentType ?? '',
              metadata: metadataOf(flags.metadata),
            }),
          });
          sent = options;
          const answer = await client.write(({ keyValue }, call) => keyValue.put(request, call));
          printWritten(terminal, flags, { key, options, ...answer });
          return { exit: CLIENT_EXIT.ok };
        },
        () => sent && requestIdText(sent),
      );
    });

  addWriteOptions(
    program.command('delete <key>').description('delete a key; fine also when it is absent'),
  ).action(async (keyText: string, flags: WriteFlags) => {
    let sent: WriteOptions | undefined;
    await runClientCommand(
      context,
      flags,
      () => openClient(flags, terminal),
      async (client) => {
        const key = keyOf(keyText, flags);
        const options = writeOptionsOf(flags);
        const request: DeleteRequest = { key, options, causality: causalityOf(flags) };
        sent = options;
        const answer = await client.write(({ keyValue }, call) => keyValue.delete(request, call));
        printWritten(terminal, flags, { key, options, ...answer });
        return { exit: CLIENT_EXIT.ok };
      },
      () => sent && requestIdText(sent),
    );
  });

  addWriteOptions(program.command('touch <key>').description('change when a key expires, and nothing else'))
    .option('--ttl <duration>', 'expire after 30s, 5m, 1h, ...')
    .option('--never', 'do not expire')
    .action(async (keyText: string, flags: WriteFlags & { ttl?: string; never?: boolean }) => {
      let sent: WriteOptions | undefined;
      await runClientCommand(
        context,
        flags,
        () => openClient(flags, terminal),
        async (client) => {
          const key = keyOf(keyText, flags);
          const options = writeOptionsOf(flags);
          const request: TouchRequest = {
            key,
            options,
            context: parseContext(flags.context, '--context') ?? new Uint8Array(),
            expiry: touchExpiryOf(flags),
          };
          sent = options;
          const answer = await client.write(({ keyValue }, call) => keyValue.touch(request, call));
          if (!answer.applied && flags.json !== true) terminal.err('absent: nothing to touch\n');
          printWritten(terminal, flags, { key, options, ...answer });
          return { exit: answer.applied ? CLIENT_EXIT.ok : CLIENT_EXIT.absent };
        },
        () => sent && requestIdText(sent),
      );
    });
}

/** A time to live as the API takes it. */
export function ttlOf(text: string): Duration {
  const ttlMs = parseDurationMs(text, '--ttl');
  return { seconds: Math.floor(ttlMs / 1000), nanos: (ttlMs % 1000) * 1e6 };
}

function putExpiryOf(flags: PutFlags): PutRequest['expiry'] {
  if (flags.ttl !== undefined && flags.keepTtl === true) {
    throw new UsageError('--ttl and --keep-ttl are both given: choose one');
  }
  if (flags.ttl !== undefined) return { $case: 'ttl', value: ttlOf(flags.ttl) };
  return flags.keepTtl === true ? { $case: 'keepExpiry', value: true } : undefined;
}

function touchExpiryOf(flags: { ttl?: string; never?: boolean }): TouchRequest['expiry'] {
  if ((flags.ttl === undefined) === (flags.never !== true)) {
    throw new UsageError('say when it expires: --ttl 1h or --never, one of the two');
  }
  return flags.ttl === undefined
    ? { $case: 'never', value: true }
    : { $case: 'ttl', value: ttlOf(flags.ttl) };
}

function metadataOf(entries: readonly string[]): { [name: string]: string } {
  return Object.fromEntries(
    entries.map((entry) => {
      const split = entry.indexOf('=');
      if (split < 1) throw new UsageError(`--metadata "${entry}" must be name=value`);
      return [entry.slice(0, split), entry.slice(split + 1)];
    }),
  );
}

/** A write that was answered. */
interface Written {
  readonly key: Key;
  readonly options: WriteOptions;
  readonly context: Uint8Array;
  readonly report: WriteReport | undefined;
  readonly dot?: Dot | undefined;
  readonly applied?: boolean;
}

/** The context on standard output, for `--context` of the next write; the rest on standard error. */
function printWritten(terminal: Terminal, flags: { readonly json?: boolean }, written: Written): void {
  const context = toBase64Url(written.context);
  if (flags.json === true) {
    const answer = {
      key: keyJson(written.key),
      applied: written.applied ?? true,
      dot: dotJson(written.dot),
      context,
      requestId: requestIdText(written.options),
      report: writeReportJson(written.report),
    };
    terminal.out(`${JSON.stringify(answer)}\n`);
    return;
  }
  terminal.out(`${context}\n`);
  if (!terminal.errIsTerminal) return;
  if (written.dot !== undefined) terminal.err(`dot ${new ReplicaNames([written.dot]).dot(written.dot)}; `);
  if (written.report !== undefined) terminal.err(`${writeReportText(written.report)}\n`);
}
